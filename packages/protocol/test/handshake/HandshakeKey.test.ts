import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { createHash } from "node:crypto"
import * as HandshakeKey from "../../src/handshake/HandshakeKey.ts"
import { fastest } from "../fixtures/bytes.ts"
import { sha1 } from "../fixtures/sha1.ts"

describe("HandshakeKey", () => {
  it("computes the accept value of RFC 6455 1.3", () => {
    assert.strictEqual(HandshakeKey.acceptFor("dGhlIHNhbXBsZSBub25jZQ==", sha1), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
  })

  it.prop("the accept value is the SHA-1 of the bytes of key and GUID", [Schema.Uint8Array], ([bytes]) => {
    const key = HandshakeKey.fromRandom(bytes)
    const text = Buffer.from(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`, "ascii")
    return (
      HandshakeKey.acceptFor(key, sha1) === Buffer.from(createHash("sha1").update(text).digest()).toString("base64")
    )
  })

  it("makes a key of 16 bytes", () => {
    const bytes = Uint8Array.from({ length: 16 }, (_, index) => index + 1)
    assert.strictEqual(HandshakeKey.fromRandom(bytes), "AQIDBAUGBwgJCgsMDQ4PEA==")
  })

  it.each([
    ["dGhlIHNhbXBsZSBub25jZQ==", true],
    // the example of RFC 6455 4.1
    ["AQIDBAUGBwgJCgsMDQ4PEC==", true],
    ["+/+/+/+/+/+/+/+/+/+/+w==", true],
    ["", false],
    ["dGhlIHNhbXBsZSBub25jZQ=", false],
    ["dGhlIHNhbXBsZSBub25jZQ", false],
    ["dGhlIHNhbXBsZSBub25jZQ===", false],
    ["dGhlIHNhbXBsZSBub25jZQ==\n", false],
    [" dGhlIHNhbXBsZSBub25jZQ==", false],
    ["dGhlIHNhbXBsZSBub25jZTE=", false],
    ["dGhlIHNhbXBsZSBub25jZTEy", false],
    ["dGhlIHNhbXBsZSBub25jZ===", false],
    ["-_-_-_-_-_-_-_-_-_-_-w==", false],
    ["dGhlIHNhbXBsZSBub25jZTEyMw==", false]
  ])("isKey(%j) is %s", (value, expected) => {
    assert.strictEqual(HandshakeKey.isKey(value), expected)
  })

  it.prop("every 16 bytes make a key", [Schema.Uint8Array], ([bytes]) => {
    const padded = new Uint8Array(16)
    padded.set(bytes.subarray(0, 16))
    const key = HandshakeKey.fromRandom(padded)
    return HandshakeKey.isKey(key) && Buffer.from(key, "base64").equals(padded)
  })

  it("isKey looks at a hostile value once", () => {
    assert.isBelow(
      fastest(() => HandshakeKey.isKey("=".repeat(32_000))),
      5
    )
  })
})
