/** Making, filling and drawing elements. */

/**
 * @param {string} name
 * @param {string} kind
 * @param {string} [text]
 */
export const make = (name, kind, text) => {
  const element = document.createElement(name)
  if (kind !== "") element.className = kind
  if (text !== undefined) element.textContent = text
  return element
}
/** @param {string} name */
export const drawn = (name) => document.createElementNS("http://www.w3.org/2000/svg", name)

/**
 * Sets a text only where it is another: most cells stay as they are.
 *
 * @param {Element} element
 * @param {string} text
 */
export const write = (element, text) => {
  if (element.textContent !== text) element.textContent = text
}
