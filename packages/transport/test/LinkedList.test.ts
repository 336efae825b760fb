import { assert, describe, it } from "@effect/vitest"
import { LinkedList } from "../src/internal/LinkedList.ts"
import type { Links } from "../src/internal/LinkedList.ts"

class Entry implements Links<Entry> {
  previous: Entry | undefined = undefined
  next: Entry | undefined = undefined
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

const [a, b, c] = [0, 1, 2] as const

const filled = () => {
  const list = new LinkedList<Entry>()
  const entries = [new Entry("a"), new Entry("b"), new Entry("c")] as const
  for (const entry of entries) list.add(entry)
  return { list, entries }
}

const names = (list: LinkedList<Entry>): string => Array.from(list, ({ name }) => name).join("")

describe("LinkedList", () => {
  it("has its entries in the order of insertion", () => {
    const { entries, list } = filled()
    assert.deepStrictEqual([names(list), list.size, list.first], ["abc", 3, entries[a]])
  })

  for (const [at, left] of [
    [a, "bc"],
    [b, "ac"],
    [c, "ab"]
  ] as const) {
    it(`keeps ${left} when the other entry is removed`, () => {
      const { entries, list } = filled()
      assert.isTrue(list.delete(entries[at]))
      assert.deepStrictEqual([names(list), list.size, list.has(entries[at])], [left, 2, false])
      list.add(new Entry("d"))
      assert.strictEqual(names(list), `${left}d`)
    })
  }

  it("is empty when all entries are removed, and takes them again", () => {
    const { entries, list } = filled()
    for (const entry of entries) list.delete(entry)
    assert.deepStrictEqual([names(list), list.size, list.first], ["", 0, undefined])
    list.add(entries[b])
    assert.deepStrictEqual([names(list), list.size, list.first], ["b", 1, entries[b]])
  })

  it("removes an entry once", () => {
    const { entries, list } = filled()
    list.delete(entries[b])
    assert.isFalse(list.delete(entries[b]))
    assert.isFalse(list.delete(new Entry("x")))
    assert.deepStrictEqual([names(list), list.size], ["ac", 2])
  })

  it("has an entry that is its only one", () => {
    const list = new LinkedList<Entry>()
    const entry = new Entry("a")
    assert.isFalse(list.has(entry))
    list.add(entry)
    assert.isTrue(list.has(entry))
  })

  it("leaves no link in an entry that it removes, which would retain its neighbours", () => {
    const { entries, list } = filled()
    list.delete(entries[b])
    assert.deepStrictEqual([entries[b].previous, entries[b].next], [undefined, undefined])
  })

  it("goes on after an entry that is removed during its turn", () => {
    const { list } = filled()
    const visited: Array<string> = []
    for (const entry of list) {
      visited.push(entry.name)
      list.delete(entry)
    }
    assert.deepStrictEqual([visited.join(""), list.size], ["abc", 0])
  })
})
