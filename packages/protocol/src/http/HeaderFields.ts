/**
 * Header fields as HTTP sends them: an ordered list in which a name may occur more than once.
 *
 * A record would hide repeated fields, and a repeated `Sec-WebSocket-Key` must be refused. A record would also make a
 * header named `__proto__` dangerous. Names keep the case in which they were received; lookups ignore case. What a
 * program sends may be a record, see {@link Input}.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { equalsIgnoreCase, FieldValue, splitList, Token } from "./HeaderGrammar.ts"

/**
 * One header field: a name, and a value without surrounding whitespace. Both have one character for each byte.
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
 * The Schema of one header field.
 *
 * @category schemas
 * @since 0.1.0
 */
export const HeaderField: Schema.Struct<{ readonly name: Schema.String; readonly value: Schema.String }> =
  Schema.Struct({ name: Token, value: FieldValue })

/**
 * The Schema of a list of header fields.
 *
 * @category schemas
 * @since 0.1.0
 */
export const HeaderFields: Schema.$Array<typeof HeaderField> = Schema.Array(HeaderField)

/**
 * Header fields as a program gives them: a list, or a record by name.
 *
 * **Details**
 *
 * In a record an array stands for one field for each of its values, in order, and `undefined` for none.
 *
 * @category models
 * @since 0.1.0
 */
export type Input = HeaderFields | Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

/**
 * The empty list.
 *
 * @category constructors
 * @since 0.1.0
 */
export const empty: HeaderFields = []

/**
 * Creates fields from pairs of name and value, such as `Object.entries(record)`, a `Map` or WHATWG `Headers`.
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
 * Creates fields from a list or a record; of nothing, none. Does not check names and values.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromInput = (input: Input = empty): HeaderFields => {
  if (Symbol.iterator in input) return input
  const fields: Array<HeaderField> = []
  for (const [name, value] of Object.entries(input)) {
    if (value === undefined) continue
    for (const each of typeof value === "object" ? value : [value]) fields.push({ name, value: each })
  }
  return fields
}

/**
 * Returns the value of the first field with a name.
 *
 * **Gotchas**
 *
 * Ignores further fields of the same name. Use `getAll` for a header that must be unique.
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
 * Returns the values of all fields with a name, in order.
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
 * Returns whether there is a field with a name.
 *
 * @category guards
 * @since 0.1.0
 */
export const has = (self: HeaderFields, name: string): boolean => get(self, name) !== undefined

/**
 * Returns the elements of a comma-separated header, from all fields with its name, in order.
 *
 * **Details**
 *
 * RFC 9110 5.3: fields of one name are equivalent to one field with their values joined by commas. Elements are
 * trimmed, and empty ones are dropped. Does not check that they are tokens.
 *
 * @category getters
 * @since 0.1.0
 */
export const getList = (self: HeaderFields, name: string): ReadonlyArray<string> =>
  getAll(self, name).flatMap(splitList)

/**
 * Returns whether a comma-separated header contains an element, ignoring case.
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
