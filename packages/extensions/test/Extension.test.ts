import { Extension, Extensions, Negotiation } from "@effect-ws/extensions"
import type { Session } from "@effect-ws/protocol"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result, Schema, Scope } from "effect"
import * as ChecksumExtension from "./ChecksumExtension.ts"
import { deliver, makePair, receive, written } from "./Pair.ts"

const bytes = Buffer.from("a checksum for this")

const sendAndDeliver = (from: Session.Session, to: Session.Session, fragmentSize?: number) => {
  assert.isUndefined(from.send(bytes, { fragmentSize }))
  return deliver(from, to)
}

describe("Extension", () => {
  it.effect("an extension of one's own, negotiated and at work in both roles", () =>
    Effect.gen(function* () {
      const checked: Array<number> = []
      const onClose = (frames: number): void => void checked.push(frames)
      const scope = yield* Scope.make()
      const { answers, client, server } = yield* makePair({
        client: [ChecksumExtension.checksum({ algorithms: ["sum32", "adler32"], onClose })],
        server: [ChecksumExtension.checksum({ algorithms: ["adler32"], onClose })]
      }).pipe(Scope.provide(scope))
      // The server declines the client's first choice and accepts its second.
      assert.deepStrictEqual(answers, [{ name: "x-frame-checksum", params: [{ name: "algorithm", value: "adler32" }] }])
      for (const [from, to] of [
        [client, server],
        [server, client]
      ] as const) {
        const events = yield* sendAndDeliver(from, to, 7)
        assert.deepStrictEqual(
          events.map((event) => event._tag === "Binary" && Buffer.from(event.data).toString()),
          ["a checksum for this"]
        )
      }
      yield* Scope.close(scope, yield* Effect.exit(Effect.void))
      // The state of each connection was its own, and ended with its Scope: three frames of at most 7 bytes each.
      assert.deepStrictEqual(checked, [3, 3])
    })
  )

  it.effect("an error of an extension closes the connection with the code that it chose", () =>
    Effect.gen(function* () {
      const extensions = [ChecksumExtension.checksum({ algorithms: ["adler32"] })]
      const { client, server } = yield* makePair({ client: extensions, server: extensions })
      server.send(bytes)
      const wire = yield* written(server)
      assert.strictEqual(wire[0], 0x80 | 0x20 | 0x2)
      wire[5]! ^= 1
      const events = yield* receive(client, wire)
      assert.deepStrictEqual(
        events.map((event) => event._tag === "Failed" && [event.error.code, event.error.reason]),
        [[1007, "a wrong checksum"]]
      )
      client.answerClose()
      const [close] = yield* deliver(client, server)
      assert.isTrue(close?._tag === "CloseReceived" && close.code === 1007)
    })
  )

  it("parameters that are unknown, repeated or of the wrong kind are refused with a reason", () => {
    const extension = ChecksumExtension.checksum({ algorithms: ["adler32"] })
    const refusal = (params: ReadonlyArray<{ name: string; value: string | undefined }>): string => {
      const outcome = extension.check({ name: extension.name, params })
      return Result.isFailure(outcome) ? outcome.failure : "accepted"
    }
    const algorithm = { name: "algorithm", value: "adler32" }
    assert.strictEqual(refusal([algorithm]), "accepted")
    assert.strictEqual(refusal([algorithm, algorithm]), "the parameter algorithm stands twice")
    assert.match(refusal([{ name: "algorithm", value: undefined }]), /algorithm/)
    assert.match(refusal([{ name: "algorithm", value: "md5" }]), /md5/)
    assert.match(refusal([]), /algorithm/)
    for (const name of ["x", "__proto__", "constructor", "toString"]) {
      assert.match(refusal([algorithm, { name, value: "1" }]), new RegExp(name))
      assert.match(refusal([algorithm, { name, value: undefined }]), new RegExp(name))
    }
    assert.strictEqual(refusal([{ name: "algorithm", value: "sum32" }]), "the algorithm sum32 was not offered")
  })

  it("integers are decimal, without leading zeros, and in range", () => {
    const decode = Schema.decodeUnknownResult(Extension.integer({ minimum: 0, maximum: 15 }))
    for (const good of ["0", "8", "15"]) assert.isTrue(Result.isSuccess(decode(good)), good)
    for (const bad of [
      "",
      "08",
      "+8",
      "-1",
      "8.0",
      "1e1",
      "0x8",
      " 8",
      "8 ",
      "16",
      "99999999999999999999",
      "٨",
      true
    ]) {
      assert.isTrue(Result.isFailure(decode(bad)), String(bad))
    }
  })
})

describe("Extensions", () => {
  const named = (name: string): Extension.Extension =>
    Extension.make({
      name,
      offer: Schema.Struct({}),
      answer: Schema.Struct({}),
      offers: [{}],
      open: () => Effect.succeed({ decode: () => undefined, encode: () => undefined })
    })
  const names = Effect.map(Extensions.current, (extensions) => extensions.map(({ name }) => name))

  it.effect("there are none unless a layer adds some", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* names, [])
      assert.deepStrictEqual(yield* Effect.provide(names, Extensions.layer([])), [])
    })
  )

  it.effect("a layer adds its extensions behind those of the context it is built in", () =>
    Effect.gen(function* () {
      const a = Extensions.layer([named("a")])
      const bc = Extensions.layer([named("b"), named("c")])
      assert.deepStrictEqual(yield* names.pipe(Effect.provide(bc), Effect.provide(a)), ["a", "b", "c"])
      assert.deepStrictEqual(yield* Effect.provide(names, Layer.provideMerge(bc, a)), ["a", "b", "c"])
      const inner = Layer.effectDiscard(Effect.map(names, (found) => assert.deepStrictEqual(found, ["a", "b", "c"])))
      yield* Effect.provide(Effect.void, inner.pipe(Layer.provide(bc), Layer.provide(a)))
    })
  )

  it.effect("an extension replaces an earlier one of its name", () =>
    Effect.gen(function* () {
      const again = named("a")
      const found = yield* Extensions.current.pipe(
        Effect.provide(Extensions.layer([named("c"), again])),
        Effect.provide(Extensions.layer([named("a"), named("b")]))
      )
      assert.deepStrictEqual(
        found.map(({ name }) => name),
        ["b", "c", "a"]
      )
      assert.strictEqual(found[2], again)
    })
  )

  it.effect("an extension that only offers declines, and one that offers nothing is not to be answered", () =>
    Effect.gen(function* () {
      const offer = { name: "a", params: [] }
      const agreed = yield* Negotiation.negotiate([named("a")], [offer])
      assert.deepStrictEqual(agreed.answers, [])
    })
  )
})
