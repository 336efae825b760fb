import { assert, describe, it } from "@effect/vitest"
import type { Entry } from "../src/internal/LogTypes.ts"
import { TopicFeed } from "../src/internal/TopicFeed.ts"

const limits = { recentEntries: 10, recentBytes: 1000, pageEntries: 10, pageBytes: 1000 }

const entry = (offset: number): Entry => ({
  _tag: "Entry",
  topic: "room",
  position: { epoch: 1, offset },
  data: "x",
  id: String(offset),
  at: 0,
  size: 1
})

describe("TopicFeed", () => {
  it("resumes every reader, also after one that throws, and takes the next entry", () => {
    const feed = new TopicFeed("room", limits)
    const resumed: Array<string> = []
    feed.onceMore(() => {
      throw new Error("a bug of the program")
    })
    feed.onceMore(() => resumed.push("first"))
    feed.deliver(entry(1))
    feed.onceMore(() => resumed.push("second"))
    feed.deliver(entry(2))
    assert.deepStrictEqual(resumed, ["first", "second"])
    assert.strictEqual(feed.position?.offset, 2)
  })
})
