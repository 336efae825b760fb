import { assert, describe, it } from "@effect/vitest"
import * as RawFrames from "../src/raw-frames.ts"

describe("raw frames", () => {
  it("come out as they went in", () => {
    assert.deepStrictEqual(RawFrames.frames(), [
      "PING fin 61 72 65 20 79 6f 75 20 74 68 65 72 65 3f [14 bytes]",
      'TEXT more "a message " [10 bytes]',
      "CONTINUATION more 69 6e 20 74 68 72 65 65 20 66 [10 bytes]",
      "CONTINUATION fin 72 61 6d 65 73 [5 bytes]",
      "CLOSE fin 03 e8 74 68 61 74 20 77 61 73 20 61 6c 6c [14 bytes]"
    ])
  })

  it("are all that two sessions need", () => {
    assert.deepStrictEqual(RawFrames.conversation(), [
      "server: Text",
      "server: Ping",
      "client: Pong",
      "client: Text",
      "server: CloseReceived",
      "client: CloseReceived",
      "the local end began, and it was clean"
    ])
  })
})
