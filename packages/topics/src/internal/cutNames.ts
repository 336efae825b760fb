import { sizeOf } from "./sizeOf.ts"

/** Cuts names into parts of at most `maxBytes`, as they are in JSON; at least one part, which may be empty. */
export const cutNames = (names: ReadonlyArray<string>, maxBytes: number): ReadonlyArray<ReadonlyArray<string>> => {
  const parts: Array<Array<string>> = [[]]
  let bytes = 0
  for (const name of names) {
    const size = sizeOf(JSON.stringify(name)) + 1
    if (bytes + size > maxBytes && bytes > 0) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)!.push(name)
    bytes += size
  }
  return parts
}
