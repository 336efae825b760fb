/**
 * permessage-deflate (RFC 7692): compresses messages with DEFLATE before they are fragmented.
 *
 * A program adds {@link layer} to its server or client. The service of module `Zlib` compresses.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Extension from "./Extension.ts"
import * as Extensions from "./Extensions.ts"
import * as DeflateTransform from "./internal/DeflateTransform.ts"

/**
 * Options of permessage-deflate, with the same meaning on a server and on a client.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Compression level of outgoing messages: 1 (fastest) to 9 (smallest), 0 for none. Default: 3, which takes half the
   * time of zlib's own default of 6 above 4 KiB, for 4 to 10 % more bytes of text.
   */
  readonly level?: number | undefined
  /** Memory level of the compressor: 1 to 9, at most 2^(memLevel + 9) bytes beside the window. Default: 8. */
  readonly memLevel?: number | undefined
  /** Minimum bytes of a message to compress; `compress` in the options of a send overrides it. Default: 1024. */
  readonly threshold?: number | undefined
  /**
   * Whether a message that compression does not make smaller is sent uncompressed. With context takeover it is
   * compressed all the same, because otherwise the windows of the two ends would differ. Default: true.
   */
  readonly skipIfLarger?: boolean | undefined
  /** Whether the server may keep its window from one message to the next. Default: true. */
  readonly serverContextTakeover?: boolean | undefined
  /** Whether the client may keep its window from one message to the next. Default: true. */
  readonly clientContextTakeover?: boolean | undefined
  /** Largest window of the server, as base-2 logarithm: 8 to 15. Default: 15. */
  readonly serverMaxWindowBits?: number | undefined
  /**
   * Largest window of the client, as base-2 logarithm: 8 to 15. A server declines an offer that does not let it choose
   * this window. Default: 15.
   */
  readonly clientMaxWindowBits?: number | undefined
  /**
   * Client: offers in order of preference, instead of one made from these options. Whatever is negotiated, the client
   * also respects its own options.
   */
  readonly offers?: ReadonlyArray<Offer> | undefined
}

const WindowBits = Extension.integer({ minimum: 8, maximum: 15 })

/**
 * The parameters of an offer (RFC 7692 7.1).
 *
 * @category schemas
 * @since 0.1.0
 */
export const Offer = Schema.Struct({
  server_no_context_takeover: Schema.optionalKey(Extension.Flag),
  client_no_context_takeover: Schema.optionalKey(Extension.Flag),
  server_max_window_bits: Schema.optionalKey(WindowBits),
  // RFC 7692 7.1.2.2: in an offer it "has no value or a decimal integer value"
  client_max_window_bits: Schema.optionalKey(Schema.Union([Extension.Flag, WindowBits]))
})

/**
 * @category models
 * @since 0.1.0
 */
export type Offer = typeof Offer.Type

/**
 * The parameters of an answer (RFC 7692 7.1): those of an offer, but every window has a value.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Answer = Schema.Struct({ ...Offer.fields, client_max_window_bits: Schema.optionalKey(WindowBits) })

/**
 * @category models
 * @since 0.1.0
 */
export type Answer = typeof Answer.Type

/**
 * Creates the extension.
 *
 * **Details**
 *
 * A context is created when a connection first compresses or decompresses. With context takeover, a compressor takes
 * about 256 KiB and a decompressor 44 KiB (largest window, memLevel 8) until the connection closes. Without takeover,
 * both are borrowed for one message. Throws a `RangeError` for an option out of range.
 *
 * Without takeover, a message that does not become smaller is sent uncompressed. A window of 2^8 bytes works in both
 * directions: see the documentation of the extensions.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Extension.Extension => {
  const given = { ...options }
  DeflateTransform.checkRange(given, ["level"], 0, 9)
  DeflateTransform.checkRange(given, ["memLevel"], 1, 9)
  if (options.threshold !== undefined) Argument.limit("threshold", options.threshold)
  DeflateTransform.checkRange(given, ["serverMaxWindowBits", "clientMaxWindowBits"], 8, 15)
  const {
    clientMaxWindowBits = 15,
    clientContextTakeover = true,
    serverMaxWindowBits = 15,
    serverContextTakeover = true
  } = options
  return Extension.make<Offer, Answer>({
    name: "permessage-deflate",
    rsv: DeflateTransform.rsv1,
    level: "message",
    offer: Offer,
    answer: Answer,
    offers: options.offers ?? [
      {
        ...flags(!serverContextTakeover, !clientContextTakeover),
        ...serverBits(serverMaxWindowBits),
        client_max_window_bits: clientMaxWindowBits === 15 ? true : clientMaxWindowBits
      }
    ],
    accept: (offer) => {
      const clientOffered = offer.client_max_window_bits
      // RFC 7692 7.1.2.2: without the parameter in the offer, the answer "MUST NOT include" it
      if (clientOffered === undefined && clientMaxWindowBits < 15) return undefined
      const clientBits = Math.min(typeof clientOffered === "number" ? clientOffered : 15, clientMaxWindowBits)
      return {
        ...flags(
          // RFC 7692 7.1.1.1: "A server accepts [...] by including the "server_no_context_takeover" [...] parameter"
          !serverContextTakeover || offer.server_no_context_takeover === true,
          !clientContextTakeover || offer.client_no_context_takeover === true
        ),
        // RFC 7692 7.1.2.1: accepted "with the same or smaller value"
        ...serverBits(Math.min(offer.server_max_window_bits ?? 15, serverMaxWindowBits), offer.server_max_window_bits),
        ...(clientBits < 15 || typeof clientOffered === "number" ? { client_max_window_bits: clientBits } : {})
      }
    },
    check: (answer, offer) => {
      // RFC 7692 7.1.1.1 and 7.1.2.1: what the offer asked of the server, the answer has to grant.
      if (offer.server_no_context_takeover && !answer.server_no_context_takeover) {
        return "server_no_context_takeover was offered and not accepted"
      }
      const bits = offer.server_max_window_bits
      if (bits !== undefined && (answer.server_max_window_bits ?? 15) > bits) {
        return `server_max_window_bits of at most ${bits} was offered, not ${answer.server_max_window_bits ?? "15"}`
      }
      if (answer.client_max_window_bits === undefined) return undefined
      // RFC 7692 7.1.2.2: an answer with a parameter that the offer did not have is not acceptable.
      if (offer.client_max_window_bits === undefined) return "client_max_window_bits was not offered"
      return offer.client_max_window_bits !== true && answer.client_max_window_bits > offer.client_max_window_bits
        ? `client_max_window_bits of at most ${offer.client_max_window_bits} was offered`
        : undefined
    },
    open: ({ answer, offer, role }) => {
      const hintedBits = typeof offer.client_max_window_bits === "number" ? offer.client_max_window_bits : 15
      const server = {
        windowBits: answer.server_max_window_bits ?? 15,
        contextTakeover: answer.server_no_context_takeover !== true
      }
      const client = {
        windowBits: answer.client_max_window_bits ?? 15,
        contextTakeover: answer.client_no_context_takeover !== true
      }
      // A client may use less than what was negotiated.
      const restrained = {
        windowBits: Math.min(client.windowBits, hintedBits, clientMaxWindowBits),
        contextTakeover: client.contextTakeover && clientContextTakeover && offer.client_no_context_takeover !== true
      }
      const { level = 3, memLevel = 8, skipIfLarger = true, threshold = 1024 } = options
      return DeflateTransform.open({
        deflate: { ...(role === "server" ? server : restrained), level, memLevel },
        inflate: role === "server" ? client : server,
        threshold,
        skipIfLarger
      })
    }
  })
}

const flags = (
  server: boolean,
  client: boolean
): Pick<Answer, "server_no_context_takeover" | "client_no_context_takeover"> => ({
  ...(server ? { server_no_context_takeover: true } : {}),
  ...(client ? { client_no_context_takeover: true } : {})
})

const serverBits = (bits: number, offered?: number): Pick<Answer, "server_max_window_bits"> =>
  bits < 15 || offered !== undefined ? { server_max_window_bits: bits } : {}

/**
 * Provides permessage-deflate: a server accepts it and a client offers it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never> => Extensions.layer([make(options)])
