/** What forms say about a field that is wrong. */
import { find } from "@effect-ws/inspector/page/find.js"
import { append } from "./log.js"

/** @param {string} id */
export const form = (id) => find(id, HTMLFormElement)

/**
 * Returns where a form says what is wrong with its fields.
 *
 * @param {HTMLFormElement | null} form
 */
const problemOf = (form) => form?.querySelector(".problem") ?? undefined

/** @param {HTMLFormElement} form */
export const clearProblem = (form) => {
  const place = problemOf(form)
  if (place !== undefined) place.textContent = ""
  for (const field of form.elements) field.removeAttribute("aria-invalid")
}

/**
 * Says what is wrong with a field, shows the field, and goes there.
 *
 * @param {HTMLInputElement} field
 * @param {string} words
 */
export const problem = (field, words) => {
  field.setAttribute("aria-invalid", "true")
  const details = field.closest("details")
  if (details !== null) details.open = true
  const place = problemOf(field.form)
  if (place !== undefined) place.textContent = words
  append("system", "error", words, {}, "", "")
  field.focus()
}
