import { DeflateFrame, Extension, Negotiation, PermessageDeflate } from "@effect-ws/extensions"
import { ExtensionHeader } from "@effect-ws/protocol"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { randomFrom } from "./Pair.ts"

const parse = (header: string): ReadonlyArray<ExtensionHeader.ExtensionOffer> =>
  Result.getOrThrow(ExtensionHeader.parse(header))

const simple = (name: string, claims: Partial<Extension.Options<object, object>> = {}): Extension.Extension =>
  Extension.make({
    name,
    offer: Schema.Struct({}),
    answer: Schema.Struct({}),
    offers: [{}],
    accept: () => ({}),
    open: () => Effect.succeed({ decode: () => undefined, encode: () => undefined }),
    ...claims
  })

/** What a server answers to offers, as the header. */
const answer = (extensions: ReadonlyArray<Extension.Extension>, offers: string): Effect.Effect<string> =>
  Effect.map(Negotiation.negotiate(extensions, parse(offers)), ({ answers }) => ExtensionHeader.render(answers))

/** What a client makes of an answer: the name of the error's rule, or the names of the extensions. */
const outcome = (extensions: ReadonlyArray<Extension.Extension>, answers: string): string =>
  Result.match(Negotiation.check(extensions, parse(answers)), {
    onFailure: (error) => error.rule,
    onSuccess: (agreement) => agreement.answers.map(({ name }) => name).join()
  })

describe("Negotiation", () => {
  const a = simple("a", { rsv: 0x10, aliases: ["x-a"] })
  const sameBit = simple("b", { rsv: 0x30 })
  const opcodes = simple("c", { opcodes: [3, 4] })
  const sameOpcode = simple("d", { opcodes: [4] })
  const all = [a, sameBit, opcodes, sameOpcode]

  it.effect("a server follows the client's order, declines what conflicts and what it does not know", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* answer(all, "a, b, c, d"), "a, c")
      assert.strictEqual(yield* answer(all, "d, zzz, b, c, a"), "d, b")
      assert.strictEqual(yield* answer(all, "a; x=1, x-a, a"), "x-a")
      assert.strictEqual(yield* answer(all, "A"), "")
      assert.strictEqual(yield* answer([], "a"), "")
    })
  )

  it.effect("a server may decide with an effect, and have two extensions of one name", () =>
    Effect.gen(function* () {
      const moody = simple("a", { accept: () => Effect.succeed(undefined) })
      assert.strictEqual(yield* answer([moody], "a"), "")
      assert.strictEqual(yield* answer([moody, simple("a", { accept: () => Effect.succeed({}) })], "a"), "a")
    })
  )

  it("a client offers all it has, under every name", () => {
    assert.strictEqual(ExtensionHeader.render(Negotiation.offer(all)), "a, x-a, b, c, d")
  })

  it("a client takes what it offered, and fails with a typed error on anything else", () => {
    assert.strictEqual(outcome(all, "a, c"), "a,c")
    assert.strictEqual(outcome(all, "x-a"), "x-a")
    assert.strictEqual(outcome(all, "zzz"), "UnofferedExtension")
    assert.strictEqual(outcome([], "a"), "UnofferedExtension")
    assert.strictEqual(outcome([simple("a", { offers: [] })], "a"), "UnofferedExtension")
    assert.strictEqual(outcome(all, "a, b"), "ConflictingExtensions")
    assert.strictEqual(outcome(all, "c, d"), "ConflictingExtensions")
    assert.strictEqual(outcome(all, "a, x-a"), "ConflictingExtensions")
    assert.strictEqual(outcome(all, "a; x"), "UnacceptableParameters")
    const error = Result.flip(Negotiation.check(all, parse("zzz"))).pipe(Result.getOrThrow)
    assert.strictEqual(
      error.message,
      "Sec-WebSocket-Extensions in the server's answer: zzz: it was not offered; offered: a, x-a, b, c, d"
    )
  })
})

describe("Negotiation of permessage-deflate, server", () => {
  const name = "permessage-deflate"
  const table: ReadonlyArray<readonly [PermessageDeflate.Options, offers: string, answer: string]> = [
    [{}, `${name}`, `${name}`],
    [{}, `${name}; client_max_window_bits`, `${name}`],
    [{}, `${name}; client_max_window_bits=15`, `${name}; client_max_window_bits=15`],
    [{}, `${name}; client_max_window_bits=10`, `${name}; client_max_window_bits=10`],
    [{}, `${name}; client_max_window_bits=8`, `${name}; client_max_window_bits=8`],
    [{}, `${name}; server_max_window_bits=15`, `${name}; server_max_window_bits=15`],
    [{}, `${name}; server_max_window_bits=8`, `${name}; server_max_window_bits=8`],
    [{}, `${name}; server_max_window_bits="9"`, `${name}; server_max_window_bits=9`],
    [{}, `${name}; server_no_context_takeover`, `${name}; server_no_context_takeover`],
    [{}, `${name}; client_no_context_takeover`, `${name}; client_no_context_takeover`],
    [{ serverContextTakeover: false }, `${name}`, `${name}; server_no_context_takeover`],
    [{ clientContextTakeover: false }, `${name}`, `${name}; client_no_context_takeover`],
    // a server may narrow what was offered, and say so unasked where its own window is concerned
    [{ serverMaxWindowBits: 11 }, `${name}`, `${name}; server_max_window_bits=11`],
    [{ serverMaxWindowBits: 11 }, `${name}; server_max_window_bits=13`, `${name}; server_max_window_bits=11`],
    [{ serverMaxWindowBits: 11 }, `${name}; server_max_window_bits=9`, `${name}; server_max_window_bits=9`],
    [{ clientMaxWindowBits: 11 }, `${name}; client_max_window_bits`, `${name}; client_max_window_bits=11`],
    [{ clientMaxWindowBits: 11 }, `${name}; client_max_window_bits=12`, `${name}; client_max_window_bits=11`],
    [{ clientMaxWindowBits: 11 }, `${name}; client_max_window_bits=9`, `${name}; client_max_window_bits=9`],
    // but it must not answer with client_max_window_bits unasked
    [{ clientMaxWindowBits: 11 }, `${name}`, ""],
    [
      { clientMaxWindowBits: 11 },
      `${name}; server_max_window_bits=9, ${name}; client_max_window_bits`,
      `${name}; client_max_window_bits=11`
    ],
    // bad parameters decline their offer, and only that
    [{}, `${name}; server_max_window_bits=7`, ""],
    [{}, `${name}; server_max_window_bits=16`, ""],
    [{}, `${name}; server_max_window_bits=010`, ""],
    [{}, `${name}; server_max_window_bits`, ""],
    [{}, `${name}; server_max_window_bits=x`, ""],
    [{}, `${name}; client_max_window_bits=7`, ""],
    [{}, `${name}; client_max_window_bits=16`, ""],
    [{}, `${name}; client_max_window_bits=99999999999999999999`, ""],
    [{}, `${name}; server_no_context_takeover=true`, ""],
    [{}, `${name}; client_no_context_takeover; client_no_context_takeover`, ""],
    [{}, `${name}; server_max_window_bits=9; server_max_window_bits=9`, ""],
    [{}, `${name}; unknown`, ""],
    [{}, `${name}; unknown=1`, ""],
    [{}, `${name}; __proto__=1`, ""],
    [{}, `${name}; server_max_window_bits=7, ${name}; unknown, ${name}`, `${name}`],
    // the first that can be accepted is, and no other
    [{}, `${name}; server_max_window_bits=10, ${name}`, `${name}; server_max_window_bits=10`],
    [{}, `x, ${name}, y`, `${name}`],
    [{}, "Permessage-Deflate", ""]
  ]

  it.effect.each(table)("%j: %s -> %s", ([options, offers, expected]) =>
    Effect.gen(function* () {
      const found = yield* answer([PermessageDeflate.make(options)], offers)
      assert.deepStrictEqual(parts(found), parts(expected))
    })
  )

  // The order of parameters says nothing.
  const parts = (header: string): ReadonlyArray<string> => header.split("; ").toSorted()

  it.effect("with deflate-frame beside it, the client's first choice is accepted", () =>
    Effect.gen(function* () {
      const both = [PermessageDeflate.make(), DeflateFrame.make()]
      assert.strictEqual(yield* answer(both, "permessage-deflate, deflate-frame"), "permessage-deflate")
      assert.strictEqual(yield* answer(both, "x-webkit-deflate-frame, permessage-deflate"), "x-webkit-deflate-frame")
      assert.strictEqual(yield* answer(both, "permessage-deflate; x, deflate-frame"), "deflate-frame")
      assert.strictEqual(outcome(both, "permessage-deflate, deflate-frame"), "ConflictingExtensions")
    })
  )

  const words =
    "permessage-deflate deflate-frame x-webkit-deflate-frame other server_no_context_takeover no_context_takeover " +
    "client_no_context_takeover server_max_window_bits client_max_window_bits max_window_bits __proto__ constructor " +
    '8 15 7 16 0 00 -1 99999999999 "15" "\\8" = = = ; ; ; , , " \\ \u{0} é true'
  const alphabet = [...words.split(" "), " ", "\t"]
  const both = [PermessageDeflate.make({ clientMaxWindowBits: 12 }), DeflateFrame.make({ peerMaxWindowBits: 10 })]

  it.effect.prop(
    "no parameter string crashes either end, and what a server answers is well-formed",
    [Schema.Int],
    ([seed]) =>
      Effect.gen(function* () {
        const random = randomFrom(seed)
        let header = random() < 0.8 ? "permessage-deflate" : ""
        for (let words = Math.floor(random() * 14); words > 0; words--) {
          header += alphabet[Math.floor(random() * alphabet.length)]!
        }
        const offers = ExtensionHeader.parse(header)
        if (Result.isFailure(offers)) return
        const agreed = yield* Negotiation.negotiate(both, offers.success)
        assert.isAtMost(agreed.answers.length, 1)
        if (agreed.answers.length > 0) {
          assert.deepStrictEqual(parse(ExtensionHeader.render(agreed.answers)), agreed.answers)
        }
        Negotiation.check(both, offers.success)
      }),
    { arbitrary: { runs: process.env["CI"] ? 10_000 : 2000 }, timeout: 120_000 }
  )
})

describe("Negotiation of permessage-deflate, client", () => {
  const name = "permessage-deflate"

  it("offers what its options ask for", () => {
    const offered = (options?: PermessageDeflate.Options): string =>
      ExtensionHeader.render(Negotiation.offer([PermessageDeflate.make(options)]))
    assert.strictEqual(offered(), `${name}; client_max_window_bits`)
    assert.strictEqual(offered({ clientMaxWindowBits: 10 }), `${name}; client_max_window_bits=10`)
    assert.strictEqual(
      offered({ serverMaxWindowBits: 8, serverContextTakeover: false, clientContextTakeover: false }),
      `${name}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8; client_max_window_bits`
    )
    assert.strictEqual(
      offered({ offers: [{ server_max_window_bits: 10 }, {}] }),
      `${name}; server_max_window_bits=10, ${name}`
    )
    assert.throws(() => PermessageDeflate.make({ serverMaxWindowBits: 7 }))
    assert.throws(() => PermessageDeflate.make({ clientMaxWindowBits: 16 }))
    assert.throws(() => PermessageDeflate.make({ level: 10 }), "level: expected an integer from 0 to 9, found 10")
    assert.throws(() => DeflateFrame.make({ memLevel: 0 }), "memLevel")
    assert.throws(() => DeflateFrame.make({ maxWindowBits: 8.5 }), "maxWindowBits")
  })

  const refused = "UnacceptableParameters"
  const table: ReadonlyArray<readonly [PermessageDeflate.Options, answers: string, outcome: string]> = [
    [{}, `${name}`, name],
    [{}, `${name}; client_max_window_bits=8`, name],
    [{}, `${name}; server_max_window_bits=8; server_no_context_takeover; client_no_context_takeover`, name],
    [{}, `${name}; client_max_window_bits`, refused],
    [{}, `${name}; client_max_window_bits=7`, refused],
    [{}, `${name}; server_max_window_bits=16`, refused],
    [{}, `${name}; server_max_window_bits`, refused],
    [{}, `${name}; server_max_window_bits=9; server_max_window_bits=9`, refused],
    [{}, `${name}; unknown`, refused],
    [{}, `${name}, ${name}`, "ConflictingExtensions"],
    [{ serverMaxWindowBits: 10 }, `${name}`, refused],
    [{ serverMaxWindowBits: 10 }, `${name}; server_max_window_bits=11`, refused],
    [{ serverMaxWindowBits: 10 }, `${name}; server_max_window_bits=9`, name],
    [{ serverContextTakeover: false }, `${name}`, refused],
    [{ serverContextTakeover: false }, `${name}; server_no_context_takeover`, name],
    [{ clientContextTakeover: false }, `${name}`, name],
    [{ clientMaxWindowBits: 10 }, `${name}; client_max_window_bits=11`, refused],
    [{ clientMaxWindowBits: 10 }, `${name}`, name],
    [{ offers: [{}] }, `${name}; client_max_window_bits=9`, refused],
    [{ offers: [{ server_max_window_bits: 9 }, {}] }, `${name}`, name],
    [{ offers: [{ server_max_window_bits: 9 }, { server_no_context_takeover: true }] }, `${name}`, refused],
    [{}, "deflate-frame", "UnofferedExtension"]
  ]

  it.each(table)("%j: %s -> %s", (options, answers, expected) => {
    assert.strictEqual(outcome([PermessageDeflate.make(options)], answers), expected)
  })
})
