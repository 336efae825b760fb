import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestSchema } from "effect/testing"
import * as HeadCodec from "../../src/http/HeadCodec.ts"

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

describe("HeadCodec", () => {
  it.effect("RequestHeadFromBytes survives a round trip", () =>
    new TestSchema.Asserts(HeadCodec.RequestHeadFromBytes).verifyRoundTripEffect({ runs: 1000 })
  )

  it.effect("ResponseHeadFromBytes survives a round trip", () =>
    new TestSchema.Asserts(HeadCodec.ResponseHeadFromBytes).verifyRoundTripEffect({ runs: 1000 })
  )

  it.effect("the codecs refuse what is incomplete, malformed or followed by more", () =>
    Effect.gen(function* () {
      const decoding = new TestSchema.Asserts(HeadCodec.RequestHeadFromBytes).decoding()
      yield* decoding.failEffect(bytesOf("GET / HTTP/1.1\r\n"), "expected a blank line at the end of the HTTP head")
      yield* decoding.failEffect(
        bytesOf("GET / HTTP/1.1\r\n\r\nxyz"),
        "expected nothing after the HTTP head, found 3 bytes"
      )
      yield* decoding.failEffect(
        bytesOf("GET /\n"),
        "invalid HTTP head at byte 5: expected a request target and one space, found 0x0a"
      )
    })
  )
})
