/**
 * The transforms that permessage-deflate and deflate-frame share: each unit, a message or a frame, is compressed and
 * marked with RSV1, or left unchanged.
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as CloseError from "@effect-ws/protocol/CloseError"
import type * as Protocol from "@effect-ws/protocol/Extension"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Transforms } from "../Extension.ts"
import type * as Zlib from "../Zlib.ts"
import { Zlib as ZlibReference } from "../Zlib.ts"

/** RFC 7692 7.2.1: the bit "Per-Message Compressed"; deflate-frame uses the same. */
export const rsv1 = 0x40

export interface Settings {
  readonly deflate: Zlib.DeflaterOptions
  readonly inflate: Zlib.InflaterOptions
  readonly threshold: number
  readonly skipIfLarger: boolean
}

/** Creates the state of one connection. It lives in the Scope, or in the session if that ends earlier. */
export const open = (settings: Settings): Effect.Effect<Transforms, never, Scope.Scope> =>
  Effect.flatMap(ZlibReference, (zlib) => {
    const codec = new Codec(zlib, settings)
    const hooks: Transforms = {
      shared: settings.deflate.contextTakeover ? undefined : sharedEncode(zlib, settings),
      encode: (part) => codec.encode(part),
      decode: (part) => codec.decode(part),
      close: () => codec.close()
    }
    return Effect.as(
      Effect.addFinalizer(() => Effect.sync(() => codec.close())),
      hooks
    )
  })

/** Throws where an option is out of range; before any connection could fail for it. */
export const checkRange = (
  options: { readonly [name: string]: unknown },
  names: ReadonlyArray<string>,
  minimum: number,
  maximum: number
): void => {
  for (const name of names) if (options[name] !== undefined) Argument.integer(name, options[name], minimum, maximum)
}

type Outcome = ReturnType<Protocol.Transform>

class Codec {
  private readonly zlib: Zlib.Service
  private readonly settings: Settings
  // Created on first use: many connections never compress anything.
  private deflater: Zlib.Deflater | undefined = undefined
  private inflater: Zlib.Inflater | undefined = undefined
  private compressing = false
  private closed = false

  constructor(zlib: Zlib.Service, settings: Settings) {
    this.zlib = zlib
    this.settings = settings
  }

  encode(part: Protocol.MessagePart): Outcome {
    // Control frames are never compressed.
    if (this.closed || (part.opcode & 0x8) !== 0) return undefined
    if (part.first) this.compressing = this.isWorthwhile(part)
    if (!this.compressing) return undefined
    this.deflater ??= this.zlib.deflater(this.settings.deflate)
    const output = this.deflater.deflate(part.payload, part.last)
    if (output instanceof Uint8Array || output === "OutOfMemory") return this.encoded(part, output)
    return {
      _tag: "Pending",
      start: (done) =>
        output.start((output) => {
          this.encoded(part, output)
          done()
        })
    }
  }

  private isWorthwhile(part: Protocol.MessagePart): boolean {
    if (part.compress !== undefined) return part.compress
    // The length of a message that is sent in pieces is unknown.
    return !part.last || part.payload.length >= this.settings.threshold
  }

  private encoded(part: Protocol.MessagePart, output: Uint8Array | "OutOfMemory"): undefined {
    if (output === "OutOfMemory") {
      this.compressing = false
      return undefined
    }
    // With takeover, compressed output must be sent, because otherwise the windows of the two ends would differ.
    const { deflate, skipIfLarger } = this.settings
    const mayBePlain = part.first && part.last && skipIfLarger && !deflate.contextTakeover
    if (mayBePlain && output.length >= part.payload.length) return undefined
    part.payload = output
    // RFC 7692 6.1: "set the "Per-Message Compressed" bit of the first fragment"
    if (part.first) part.rsv |= rsv1
    return undefined
  }

  decode(part: Protocol.MessagePart): Outcome {
    if ((part.rsv & rsv1) === 0 || (part.opcode & 0x8) !== 0) return undefined
    if (this.closed) return undefined
    this.inflater ??= this.zlib.inflater(this.settings.inflate)
    const output = this.inflater.inflate(part.payload, part.last, part.limit)
    if (typeof output === "string" || output instanceof Uint8Array) return decoded(part, output)
    return {
      _tag: "Pending",
      start: (done) => output.start((output) => done(decoded(part, output)))
    }
  }

  close(): void {
    this.closed = true
    this.deflater?.close()
    this.inflater?.close()
    this.deflater = undefined
    this.inflater = undefined
  }
}

// One for all connections with the same settings, so that an idle connection holds only a reference.
const sharedEncodes = new WeakMap<Zlib.Service, Map<string, Protocol.SharedEncoder>>()
let lastShared = 0

const sharedEncode = (zlib: Zlib.Service, settings: Settings): Protocol.SharedEncoder => {
  let ofService = sharedEncodes.get(zlib)
  if (ofService === undefined) sharedEncodes.set(zlib, (ofService = new Map()))
  const { deflate, skipIfLarger, threshold } = settings
  const name = [deflate.windowBits, deflate.level, deflate.memLevel, threshold, skipIfLarger].join(" ")
  let shared = ofService.get(name)
  if (shared === undefined) {
    // Another service may compress the same message differently, so its encoded forms are different ones.
    shared = { key: `deflate ${++lastShared}`, encode: (part) => encodeAlone(new Codec(zlib, settings), part) }
    ofService.set(name, shared)
  }
  return shared
}

// Without takeover a compressor keeps nothing between messages, so one per message is as good.
const encodeAlone = (codec: Codec, part: Protocol.MessagePart): Outcome => {
  const outcome = codec.encode(part)
  if (outcome?._tag !== "Pending") {
    codec.close()
    return outcome
  }
  return {
    _tag: "Pending",
    start: (done) =>
      outcome.start((failure) => {
        codec.close()
        done(failure)
      })
  }
}

const decoded = (
  part: Protocol.MessagePart,
  output: Uint8Array | Zlib.InflateFailure
): CloseError.SendableCloseError | undefined => {
  if (output instanceof Uint8Array) {
    part.payload = output
    part.rsv &= ~rsv1
    return undefined
  }
  switch (output) {
    case "InvalidData":
      return new CloseError.InvalidPayload({ reason: "the compressed data are not a deflate stream" })
    case "TooBig":
      return new CloseError.MessageTooBig({ reason: `more than the ${part.limit} bytes allowed when decompressed` })
    case "OutOfMemory":
      return new CloseError.TryAgainLater({ reason: "try again later" })
  }
}
