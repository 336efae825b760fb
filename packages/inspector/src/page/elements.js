/** The elements of the page: finding, making and filling them. */

/**
 * Returns the element with an id, which the page must have.
 *
 * @template {Element} E
 * @param {string} id
 * @param {new () => E} kind
 * @returns {E}
 */
export const find = (id, kind) => {
  const element = document.getElementById(id)
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} with the id ${id}`)
  return element
}
/** @param {string} id */
export const $ = (id) => find(id, HTMLElement)
/** @param {string} id */
export const input = (id) => find(id, HTMLInputElement)
/** @param {string} id */
export const button = (id) => find(id, HTMLButtonElement)

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
