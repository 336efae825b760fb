/**
 * What an extension is, and how to make one: its name, the bits it claims, how it is offered, accepted and checked, and
 * what it does on an open connection.
 *
 * An author deals in typed parameters, each described by a Schema, and never sees a header. {@link make} wraps that into
 * an {@link Extension}, which deals in the elements of `Sec-WebSocket-Extensions` and is what the negotiation works
 * with. The transforms themselves are those of `Extension` in package `protocol`, whose session calls them.
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
 * The parameters of an extension as they stand in the header: the value by name, and `true` for a name alone.
 *
 * @category models
 * @since 0.1.0
 */
export type WireParams = { readonly [name: string]: string | true }

/**
 * The Schema of an extension's parameters: a `Schema.Struct` whose fields are named like the parameters and encode to
 * `string` where the parameter has a value, to `true` where it is a name alone.
 *
 * **Details**
 *
 * Parameters that it does not know, and parameters that stand twice, are refused before it is asked.
 *
 * @category models
 * @since 0.1.0
 */
export type ParamsSchema<A> = Schema.Codec<A, WireParams> & {
  readonly fields: { readonly [name: string]: Schema.Top }
}

/**
 * A parameter that is a name alone.
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
 * What an extension does on one connection; see `ExtensionInstance` in package `protocol`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transforms {
  /** Changes what arrived. */
  readonly decode: Protocol.Transform
  /** Changes what is sent. */
  readonly encode: Protocol.Transform
  /**
   * How messages for many connections are encoded once for all of them. Only where what `encode` makes of a message
   * depends on nothing but the message and the key. Default: each connection encodes for itself.
   */
  readonly shared?: Protocol.SharedEncoder | undefined
  /** Lets go of what is held when the session is over; the Scope given to `open` may close later. Default: nothing. */
  readonly close?: (() => void) | undefined
}

/**
 * What an author says about an extension.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Offer, Answer> {
  /** The registered name. */
  readonly name: string
  /** Other names for the same. A server accepts them, a client offers them behind the name. Default: none. */
  readonly aliases?: ReadonlyArray<string> | undefined
  /** The RSV bits that it claims: any of 0x40, 0x20 and 0x10. Default: 0. */
  readonly rsv?: number | undefined
  /** The reserved opcodes that it claims. Default: none. */
  readonly opcodes?: ReadonlyArray<Opcode.Opcode> | undefined
  /** Whether it works on messages, before they are cut into frames, or on each data frame. Default: "message". */
  readonly level?: "message" | "frame" | undefined
  /** The parameters that an offer may have. */
  readonly offer: ParamsSchema<Offer>
  /** The parameters that an answer may have. */
  readonly answer: ParamsSchema<Answer>
  /** Client: what is offered, in order of preference. Default: nothing, so that only servers use the extension. */
  readonly offers?: ReadonlyArray<Offer> | undefined
  /** Server: the answer to an offer, or `undefined` to decline it. Default: declines, so that only clients use it. */
  readonly accept?: ((offer: Offer) => Answer | undefined | Effect.Effect<Answer | undefined>) | undefined
  /** Client: why an answer does not fit an offer, or `undefined` where it does. Default: every answer fits. */
  readonly check?: ((answer: Answer, offer: Offer) => string | undefined) | undefined
  /** Creates the state of one connection; it is released with the Scope. */
  readonly open: (negotiated: Negotiated<Offer, Answer>) => Effect.Effect<Transforms, never, Scope.Scope>
}

/**
 * What an extension is told about the connection it works on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Negotiated<Offer, Answer> {
  /** The offer that was accepted. */
  readonly offer: Offer
  /** The answer to it. */
  readonly answer: Answer
  /** Which end this is. */
  readonly role: SessionState.Role
  /** The name that was negotiated: the extension's own or an alias. */
  readonly name: string
}

/**
 * Opens what was negotiated on a connection.
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
  /** What stands in the answer. */
  readonly answer: ExtensionHeader.ExtensionOffer
  readonly open: Open
}

/**
 * An extension, as the negotiation sees it. Create one with {@link make}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Extension {
  /** The registered name. */
  readonly name: string
  /** The name and its aliases. */
  readonly names: ReadonlyArray<string>
  /** The RSV bits that it claims. */
  readonly rsv: number
  /** The reserved opcodes that it claims. */
  readonly opcodes: ReadonlyArray<Opcode.Opcode>
  /** Client: what is offered, in order of preference, under each of the names. */
  readonly offers: ReadonlyArray<ExtensionHeader.ExtensionOffer>
  /** Server: what an offer under one of the names gets; a failure says why it is declined. */
  readonly accept: (offer: ExtensionHeader.ExtensionOffer) => Effect.Effect<Result.Result<Accepted, string>>
  /** Client: what an answer under one of the names leads to; a failure says why it does not fit what was offered. */
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
    // Without a prototype, so that no name of a parameter means anything else.
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
