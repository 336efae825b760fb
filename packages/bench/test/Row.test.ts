import { assert, describe, it } from "@effect/vitest"
import { parse, standard } from "../src/Row.ts"

describe("parse", () => {
  it("reads echo rows", () => {
    assert.deepStrictEqual(parse("64x16x64").load, {
      mode: "echo",
      connections: 64,
      depth: 16,
      bytes: 64,
      kind: "binary"
    })
    assert.deepStrictEqual(parse("8x4x1M").load, {
      mode: "echo",
      connections: 8,
      depth: 4,
      bytes: 1048576,
      kind: "binary"
    })
    assert.deepStrictEqual(parse("1x1x16K-text").load, {
      mode: "echo",
      connections: 1,
      depth: 1,
      bytes: 16384,
      kind: "text"
    })
  })

  it("reads rows with compression", () => {
    assert.deepStrictEqual(parse("64x16x1K-json-deflate").load, {
      mode: "echo",
      connections: 64,
      depth: 16,
      bytes: 1024,
      kind: "text",
      compression: "each"
    })
    assert.strictEqual(Reflect.get(parse("1x1x1-json-deflate-takeover").load, "compression"), "takeover")
    assert.deepStrictEqual(parse("idle-9-deflate").load, { mode: "idle", connections: 9, compression: "each" })
    assert.deepStrictEqual(parse("idle-deflate-takeover").load, {
      mode: "idle",
      connections: 5000,
      compression: "takeover"
    })
  })

  it("reads rows over TLS", () => {
    assert.deepStrictEqual(parse("64x1x1K-tls").load, Object.assign({}, parse("64x1x1K").load, { secure: true }))
    assert.throws(() => parse("client-1x1x1-tls"), /behind client-/)
  })

  it("reads the other rows", () => {
    assert.deepStrictEqual(parse("startup").load, { mode: "startup" })
    assert.deepStrictEqual(parse("fairness").load, { mode: "fairness" })
    assert.deepStrictEqual(parse("idle").load, { mode: "idle", connections: 5000 })
    assert.deepStrictEqual(parse("handshakes-8").load, { mode: "handshakes", connections: 8 })
  })

  it("reads rows of broadcasts", () => {
    assert.deepStrictEqual(parse("broadcast-50").load, { mode: "broadcast", connections: 50, depth: 2, bytes: 64 })
    assert.throws(() => parse("broadcast-0"), /connections from 1 to 15000/)
    assert.throws(() => parse("broadcast"), /broadcast-CONNECTIONS/)
  })

  it("knows its own standard rows", () => {
    assert.deepStrictEqual(
      standard.map((name) => parse(name).name),
      standard
    )
  })

  it("says what is allowed", () => {
    assert.throws(() => parse("fast"), /CONNECTIONSxDEPTHxBYTES/)
    assert.throws(() => parse("64x16"), /CONNECTIONSxDEPTHxBYTES/)
    assert.throws(() => parse("1x1x1-deflate"), /-json-deflate-takeover/)
    assert.throws(() => parse("handshakes-deflate"), /CONNECTIONSxDEPTHxBYTES/)
    assert.throws(() => parse("0x1x1"), /connections from 1 to 15000/)
    assert.throws(() => parse("1x1025x1"), /depth from 1 to 1024/)
    assert.throws(() => parse("1x1x17M"), /bytes from 0 to 16777216/)
    assert.throws(() => parse("idle-15001"), /connections/)
  })
})
