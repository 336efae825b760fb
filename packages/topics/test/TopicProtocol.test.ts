import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { TestSchema } from "effect/testing"
import type * as Schema from "effect/Schema"
import type { Entry } from "../src/TopicLog.ts"
import * as TopicProtocol from "../src/TopicProtocol.ts"

const position = { epoch: 1_764_000_000_000_000, offset: 7 }

describe("TopicProtocol", () => {
  it("writes messages that a client in any language can read", () => {
    assert.strictEqual(
      TopicProtocol.encodeClient({ _tag: "Subscribe", ref: 1, topic: "room", after: position, window: 10 }),
      `{"_tag":"Subscribe","ref":1,"topic":"room","after":"hdaaeuvb40-7","window":10}`
    )
    assert.strictEqual(
      TopicProtocol.encodeServer({ _tag: "Published", ref: 1, position, isDuplicate: false }),
      `{"_tag":"Published","ref":1,"position":"hdaaeuvb40-7","isDuplicate":false}`
    )
  })

  it("encodes an entry without the Schema as with it", () => {
    for (const data of ["text \u0000\u{1F600}", Uint8Array.from([0, 1, 255])]) {
      const entry: Entry = { _tag: "Entry", topic: "room", position, data, id: "x", at: 5, size: 3 }
      const { size: _, ...message } = entry
      assert.strictEqual(TopicProtocol.encodeEntry(entry), TopicProtocol.encodeServer(message))
      assert.deepStrictEqual(TopicProtocol.decodeServer(TopicProtocol.encodeEntry(entry)), Result.succeed(message))
    }
  })

  for (const text of [
    "",
    "null",
    "{}",
    `{"_tag":"Subscribe"}`,
    `{"_tag":"Subscribe","ref":-1,"topic":"x"}`,
    `{"_tag":"Subscribe","ref":1,"topic":"x","after":"newest"}`,
    `{"_tag":"Subscribe","ref":1,"topic":"x","window":0}`,
    `{"_tag":"Publish","ref":1,"topic":"x","id":"y","data":{"base64":"?"}}`,
    `{"_tag":"Published","ref":1}`
  ]) {
    it(`refuses ${text === "" ? "nothing" : text} of a client`, () => {
      assert.isTrue(Result.isFailure(TopicProtocol.decodeClient(text)))
    })
  }

  for (const [name, schema] of [
    ["client", TopicProtocol.ClientMessage],
    ["server", TopicProtocol.ServerMessage]
  ] as const) {
    it.effect(`round-trips what a ${name} sends`, () =>
      Effect.asVoid(
        new TestSchema.Asserts(schema as Schema.Codec<unknown, unknown>).verifyRoundTripEffect({ runs: 100, seed: 1 })
      )
    )
  }
})
