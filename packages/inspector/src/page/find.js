/** Finds the elements of a page by their ids. The page of `serve` shares it. */

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
