/**
 * Header fields as HTTP sends them: a list, in order, in which a name may stand more than once. A record would hide
 * repeated fields (a repeated `Sec-WebSocket-Key` must be refused, so it must be seen) and would turn a header named
 * `__proto__` into an attack; a list does neither. Names keep their case as received and are looked up without it.
 */
import * as Schema from "effect/Schema"
import { equalsIgnoreCase, FieldValue, splitList, Token } from "./HeaderGrammar.ts"

/**
 * One header field: a name and a value without surrounding whitespace, both with one character per byte.
 *
 * @category models
 * @since 0.1.0
 */
export interface HeaderField {
  readonly name: string
  readonly value: string
}

/**
 * An ordered list of header fields.
 *
 * @category models
 * @since 0.1.0
 */
export type HeaderFields = ReadonlyArray<HeaderField>

/**
 * Schema of one header field.
 *
 * @category schemas
 * @since 0.1.0
 */
export const HeaderField: Schema.Struct<{ readonly name: Schema.String; readonly value: Schema.String }> =
  Schema.Struct({ name: Token, value: FieldValue })

/**
 * Schema of a list of header fields.
 *
 * @category schemas
 * @since 0.1.0
 */
export const HeaderFields: Schema.$Array<typeof HeaderField> = Schema.Array(HeaderField)

/**
 * The list without fields.
 *
 * @category constructors
 * @since 0.1.0
 */
export const empty: HeaderFields = []

/**
 * Creates fields from pairs of name and value, such as `Object.entries(record)`, a `Map` or a WHATWG `Headers`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromEntries = (entries: Iterable<readonly [name: string, value: string]>): HeaderFields => {
  const fields: Array<HeaderField> = []
  for (const [name, value] of entries) fields.push({ name, value })
  return fields
}

/**
 * Returns the value of the first field of that name.
 *
 * **Gotchas**
 *
 * Says nothing of a second field of the same name: where a header must be unique, use `getAll`.
 *
 * @category getters
 * @since 0.1.0
 */
export const get = (self: HeaderFields, name: string): string | undefined => {
  for (const field of self) {
    if (equalsIgnoreCase(field.name, name)) return field.value
  }
  return undefined
}

/**
 * Returns the values of all fields of that name, in order.
 *
 * @category getters
 * @since 0.1.0
 */
export const getAll = (self: HeaderFields, name: string): ReadonlyArray<string> => {
  const values: Array<string> = []
  for (const field of self) {
    if (equalsIgnoreCase(field.name, name)) values.push(field.value)
  }
  return values
}

/**
 * Tests whether there is a field of that name.
 *
 * @category guards
 * @since 0.1.0
 */
export const has = (self: HeaderFields, name: string): boolean => get(self, name) !== undefined

/**
 * Returns the elements of a comma-separated header over all fields of that name, in order.
 *
 * **Details**
 *
 * RFC 9110 5.3: fields of one name mean the same as one field with their values joined by commas. Elements are trimmed
 * and empty ones dropped; they are not checked for being tokens.
 *
 * @category getters
 * @since 0.1.0
 */
export const getList = (self: HeaderFields, name: string): ReadonlyArray<string> =>
  getAll(self, name).flatMap(splitList)

/**
 * Tests whether a comma-separated header contains an element, whatever the case of its letters.
 *
 * @category guards
 * @since 0.1.0
 */
export const hasListElement = (self: HeaderFields, name: string, element: string): boolean =>
  self.some(
    (field) =>
      equalsIgnoreCase(field.name, name) &&
      (equalsIgnoreCase(field.value, element) ||
        splitList(field.value).some((candidate) => equalsIgnoreCase(candidate, element)))
  )
