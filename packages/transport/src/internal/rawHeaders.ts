import type { HeaderList } from "../Push.ts"

/**
 * Converts the raw headers of Node, in which names and values alternate. Everywhere else Node joins or drops repeated
 * fields.
 */
export const fromRawHeaders = (raw: ReadonlyArray<string>): HeaderList => {
  const headers: Array<{ readonly name: string; readonly value: string }> = []
  for (let at = 0; at < raw.length; at += 2) headers.push({ name: raw[at]!, value: raw[at + 1]! })
  return headers
}
