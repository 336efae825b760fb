/**
 * Defines extensions: their name, the bits they claim, how they are offered, accepted and checked, and what they do on
 * an open connection.
 *
 * An author works with typed parameters, each with a Schema, and never with headers. {@link make} turns them into an
 * {@link Extension}, which works with the elements of `Sec-WebSocket-Extensions` and is the input of the negotiation.
 * The transforms are those of `Extension` in package `protocol`; the session calls them.
 *
 * @since 0.1.0
 */
import type * as Protocol from "@effect-ws/protocol/Extension"
import type * as ExtensionHeader from "@effect-ws/protocol/ExtensionHeader"
import type * as Opcode from "@effect-ws/protocol/Opcode"
import type * as SessionState from "@effect-ws/protocol/SessionState"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type * as Scope from "effect/Scope"

/**
 * The parameters of an extension as in the header: the value by name, `true` for a parameter without a value.
 *
 * @category models
 * @since 0.1.0
 */
export type WireParams = { readonly [name: string]: string | true }

/**
 * The Schema of an extension's parameters: a `Schema.Struct` whose fields have the names of the parameters. A field
 * encodes to `string` for a parameter with a value, and to `true` for one without.
 *
 * **Details**
 *
 * Unknown and repeated parameters are rejected before the Schema decodes.
 *
 * @category models
 * @since 0.1.0
 */
export type ParamsSchema<A> = Schema.Codec<A, WireParams> & {
  readonly fields: { readonly [name: string]: Schema.Top }
}

/**
 * A parameter without a value.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Flag: Schema.Literal<true> = Schema.Literal(true)

/**
 * Creates the Schema of a parameter whose value is a decimal integer without leading zeros.
 *
 * @category schemas
 * @since 0.1.0
 */
export const integer = (range: { readonly minimum: number; readonly maximum: number }): Schema.Codec<number, string> =>
  Schema.String.check(Schema.isPattern(/^(?:0|[1-9][0-9]{0,8})$/)).pipe(
    Schema.decodeTo(Schema.Int.check(Schema.isBetween(range)), {
      decode: SchemaGetter.transform(Number),
      encode: SchemaGetter.transform(String)
    })
  )

/**
 * The transforms of an extension on one connection; see `ExtensionInstance` in package `protocol`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transforms {
  /** Transforms what arrives. */
  readonly decode: Protocol.Transform
  /** Transforms what is sent. */
  readonly encode: Protocol.Transform
  /**
   * Encoder of messages for many connections at once. Allowed only when the output of `encode` depends on the message
   * and the key alone. Default: each connection encodes for itself.
   */
  readonly shared?: Protocol.SharedEncoder | undefined
  /** Releases resources at the end of the session; the Scope given to `open` may close later. Default: nothing. */
  readonly close?: (() => void) | undefined
}

/**
 * Definition of an extension.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Offer, Answer> {
  /** Registered name. */
  readonly name: string
  /** Other names of the extension. A server accepts them, and a client offers them after the name. Default: none. */
  readonly aliases?: ReadonlyArray<string> | undefined
  /** RSV bits that it claims: any of 0x40, 0x20 and 0x10. Default: 0. */
  readonly rsv?: number | undefined
  /** Reserved opcodes that it claims. Default: none. */
  readonly opcodes?: ReadonlyArray<Opcode.Opcode> | undefined
  /** Whether it transforms messages, before fragmentation, or each data frame. Default: "message". */
  readonly level?: "message" | "frame" | undefined
  /** Parameters of an offer. */
  readonly offer: ParamsSchema<Offer>
  /** Parameters of an answer. */
  readonly answer: ParamsSchema<Answer>
  /** Client: offers in order of preference. Default: none, so that only servers use the extension. */
  readonly offers?: ReadonlyArray<Offer> | undefined
  /** Server: the answer to an offer, or `undefined` to decline it. Default: declines, so that only clients use it. */
  readonly accept?: ((offer: Offer) => Answer | undefined | Effect.Effect<Answer | undefined>) | undefined
  /**
   * Client: the reason why an answer does not fit an offer, or `undefined` when it does. Default: every answer fits.
   */
  readonly check?: ((answer: Answer, offer: Offer) => string | undefined) | undefined
  /** Creates the state of one connection, which lives in the Scope. */
  readonly open: (negotiated: Negotiated<Offer, Answer>) => Effect.Effect<Transforms, never, Scope.Scope>
}

/**
 * The negotiated parameters of one connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Negotiated<Offer, Answer> {
  /** The offer that was accepted. */
  readonly offer: Offer
  /** The answer to it. */
  readonly answer: Answer
  /** Role of this end. */
  readonly role: SessionState.Role
  /** Negotiated name: the extension's own or an alias. */
  readonly name: string
}

/**
 * Creates the extension's state of one connection.
 *
 * @category models
 * @since 0.1.0
 */
export type Open = Effect.Effect<Protocol.ExtensionInstance, never, Scope.Scope>

/**
 * An offer that a server accepted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Accepted {
  /** The element of the answer. */
  readonly answer: ExtensionHeader.ExtensionOffer
  readonly open: Open
}

/**
 * An extension as input of the negotiation. Create one with {@link make}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Extension {
  /** Registered name. */
  readonly name: string
  /** Name and aliases. */
  readonly names: ReadonlyArray<string>
  /** RSV bits that it claims. */
  readonly rsv: number
  /** Reserved opcodes that it claims. */
  readonly opcodes: ReadonlyArray<Opcode.Opcode>
  /** Client: the offers in order of preference, under each of the names. */
  readonly offers: ReadonlyArray<ExtensionHeader.ExtensionOffer>
  /** Server: decides on an offer under one of the names; a failure is the reason why it is declined. */
  readonly accept: (offer: ExtensionHeader.ExtensionOffer) => Effect.Effect<Result.Result<Accepted, string>>
  /** Client: checks an answer under one of the names; a failure is the reason why it fits no offer. */
  readonly check: (answer: ExtensionHeader.ExtensionOffer) => Result.Result<Open, string>
}

/**
 * Creates an extension.
 *
 * **Example** (An extension without parameters that marks each frame with RSV3)
 *
 * ```ts
 * import { Extension } from "@effect-ws/extensions"
 * import { Effect, Schema } from "effect"
 *
 * const Marked = Extension.make({
 *   name: "x-marked",
 *   rsv: 0x10,
 *   level: "frame",
 *   offer: Schema.Struct({}),
 *   answer: Schema.Struct({}),
 *   offers: [{}],
 *   accept: () => ({}),
 *   open: () =>
 *     Effect.succeed({
 *       encode: (part) => void (part.rsv |= 0x10),
 *       decode: (part) => void (part.rsv &= ~0x10)
 *     })
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Offer, Answer>(options: Options<Offer, Answer>): Extension => {
  const { level = "message", name, opcodes = [], rsv = 0 } = options
  const names = [name, ...(options.aliases ?? [])]
  const readOffer = reader(options.offer)
  const readAnswer = reader(options.answer)
  const writeOffer = Schema.encodeSync(options.offer)
  const writeAnswer = Schema.encodeSync(options.answer)
  const offers = options.offers ?? []
  const wireOffers = offers.map((offer) => writeParams(writeOffer(offer)))
  const open = (negotiated: Negotiated<Offer, Answer>): Open =>
    Effect.map(options.open(negotiated), (hooks) => ({ name: negotiated.name, rsv, opcodes, level, ...hooks }))

  return {
    name,
    names,
    rsv,
    opcodes,
    offers: names.flatMap((name) => wireOffers.map((params) => ({ name, params }))),
    accept: (offer) => {
      const params = readOffer(offer)
      if (Result.isFailure(params)) return Effect.succeed(Result.fail(params.failure))
      const accepted = options.accept?.(params.success)
      const answer = Effect.isEffect(accepted) ? accepted : Effect.succeed(accepted)
      return Effect.map(answer, (answer) =>
        answer === undefined
          ? Result.fail("its parameters do not suit this server")
          : Result.succeed({
              answer: { name: offer.name, params: writeParams(writeAnswer(answer)) },
              open: open({ offer: params.success, answer, role: "server", name: offer.name })
            })
      )
    },
    check: (answer) => {
      const params = readAnswer(answer)
      if (Result.isFailure(params)) return Result.fail(params.failure)
      let refusal = "nothing was offered"
      for (const offer of offers) {
        const unfit = options.check?.(params.success, offer)
        if (unfit === undefined) {
          return Result.succeed(open({ offer, answer: params.success, role: "client", name: answer.name }))
        }
        refusal = unfit
      }
      return Result.fail(refusal)
    }
  }
}

type Reader<A> = (offer: ExtensionHeader.ExtensionOffer) => Result.Result<A, string>

const reader = <A>(schema: ParamsSchema<A>): Reader<A> => {
  const decode = Schema.decodeUnknownResult(schema, { reportInput: true })
  return ({ params }) => {
    // Without a prototype, so that no parameter name has another meaning.
    const wire = Object.create(null) as Record<string, string | true>
    for (const { name, value } of params) {
      if (!Object.hasOwn(schema.fields, name)) return Result.fail(`the parameter ${name} is unknown`)
      if (name in wire) return Result.fail(`the parameter ${name} stands twice`)
      wire[name] = value ?? true
    }
    return Result.mapError(decode(wire), (error) => error.message)
  }
}

const writeParams = (wire: WireParams): ReadonlyArray<ExtensionHeader.ExtensionParam> =>
  Object.entries(wire).map(([name, value]) => ({ name, value: value === true ? undefined : value }))
