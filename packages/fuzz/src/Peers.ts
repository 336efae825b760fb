/**
 * Sessions with the extensions that a setup names, and scripts of what a peer sends: the valid streams that the fuzzer
 * begins with.
 */
import { DeflateFrame, Negotiation, PermessageDeflate, Zlib } from "@effect-ws/extensions"
import type { AsyncTransform } from "@effect-ws/protocol/Extension"
import type { CloseError } from "@effect-ws/protocol"
import { Session } from "@effect-ws/protocol/Session"
import type { SessionOptions } from "@effect-ws/protocol/Session"
import type { Role } from "@effect-ws/protocol/SessionState"
import { SlabPool } from "@effect-ws/protocol/Slab"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Rendering from "./Rendering.ts"

/** Small, so that inputs get at them. */
export const limits = { maxMessageSize: 128 * 1024, maxFragments: 64 } as const

/**
 * The extensions of a setup, and the zlib that they use: ours in this thread, ours on the thread pool, the portable
 * one.
 */
const extensions = {
  none: { extensions: [], zlib: () => Zlib.make() },
  deflate: { extensions: [PermessageDeflate.make({ threshold: 0 })], zlib: () => Zlib.make() },
  "deflate-pool": {
    extensions: [PermessageDeflate.make({ threshold: 0 })],
    zlib: () => Zlib.make({ inlineBytes: 64 })
  },
  "deflate-reset": {
    extensions: [PermessageDeflate.make({ threshold: 0, serverContextTakeover: false, clientContextTakeover: false })],
    zlib: () => Zlib.make()
  },
  "deflate-portable": { extensions: [PermessageDeflate.make({ threshold: 0 })], zlib: () => Zlib.makePortable() },
  "deflate-small": {
    extensions: [PermessageDeflate.make({ threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 9 })],
    zlib: () => Zlib.make()
  },
  "deflate-frame": { extensions: [DeflateFrame.make({ threshold: 0 })], zlib: () => Zlib.make() }
} as const

export type ExtensionName = keyof typeof extensions

export const extensionNames = Object.keys(extensions) as ReadonlyArray<ExtensionName>

const services = new Map<ExtensionName, Zlib.Service>()

const serviceOf = (name: ExtensionName): Zlib.Service => {
  let service = services.get(name)
  if (service === undefined) services.set(name, (service = extensions[name].zlib()))
  return service
}

/** The seam at which a test puts in a session that is broken. */
export type MakeSession = (options: SessionOptions) => Session

/** What a client masks with here. */
export const maskingKey = 0x5a5a_1234

const slabs = new SlabPool()

/** A session, and what ends it. */
export interface Peer {
  readonly session: Session
  readonly end: () => void
}

export const makePeer = (
  role: Role,
  name: ExtensionName,
  make: MakeSession = (options) => new Session(options)
): Peer => {
  const scope = Scope.makeUnsafe()
  const ours = extensions[name].extensions
  const instances = Effect.runSync(
    Effect.gen(function* () {
      const agreed = yield* Negotiation.negotiate(ours, Negotiation.offer(ours))
      if (role === "server") return yield* agreed.open
      return yield* (yield* Effect.fromResult(Negotiation.check(ours, agreed.answers))).open
    }).pipe(Effect.provideService(Scope.Scope, scope), Effect.provideService(Zlib.Zlib, serviceOf(name)))
  )
  const session = make({ role, limits, extensions: instances, maskingKey: () => maskingKey, slabs })
  return {
    session,
    end: () => {
      session.release()
      Effect.runSync(Scope.close(scope, Exit.void))
    }
  }
}

export const finished = (pending: AsyncTransform): Promise<CloseError.SendableCloseError | undefined> =>
  new Promise((resolve) => pending.start(resolve))

/** Takes what a session has to write, once extensions are done with it. */
export const written = async (session: Session): Promise<Uint8Array> => {
  while (session.pendingEncode !== undefined) session.resumeSend(await finished(session.pendingEncode))
  return taken(session)
}

/** Takes what a session has to write now. */
export const taken = (session: Session): Uint8Array => {
  const bytes = new Uint8Array(Buffer.concat(session.output.take()))
  session.output.release(true)
  return bytes
}

/** Reads a script byte by byte; behind its end there are zeros. */
class Tape {
  private readonly bytes: Uint8Array
  private at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length
  }

  next(): number {
    return this.bytes[this.at++] ?? 0
  }
}

const characters = ["a", "é", "€", "😀", "\u0000", "\uFEFF", "b"]

/** Bytes of one of several kinds: they compress well, or badly, or not at all. */
const payload = (tape: Tape): Uint8Array => {
  const kind = tape.next() & 3
  const length = kind === 3 ? tape.next() * 97 : tape.next()
  const seed = tape.next()
  return Uint8Array.from({ length }, (_, at) =>
    kind === 0 ? seed : kind === 1 ? Math.imul(at + seed, 0x9e37_79b1) >>> 24 : 97 + ((at * (seed | 1)) % 7)
  )
}

const text = (tape: Tape): string => {
  const length = tape.next()
  const seed = tape.next()
  return Array.from({ length }, (_, at) => characters[(at * (seed | 1) + seed) % characters.length]!).join("")
}

/**
 * Has a session send what a script of bytes says; any bytes are a script. Returns the events that its peer must see.
 */
export const play = async (
  session: Session,
  script: Uint8Array
): Promise<{ wire: Uint8Array; events: Array<string> }> => {
  const tape = new Tape(script)
  const events: Array<string> = []
  const pieces: Array<Uint8Array> = []
  let size = 0
  while (!tape.isAtEnd && session.canSend && size < 64 * 1024) {
    const op = tape.next()
    const compress = (op & 0x80) !== 0 ? (op & 0x40) !== 0 : undefined
    const fragmentSize = (op & 0x20) !== 0 ? 1 + tape.next() * 8 : undefined
    switch (op & 7) {
      case 0:
      case 1: {
        const data = text(tape)
        const bytes = Buffer.from(data)
        session.send(data, { compress, fragmentSize: atMost(fragmentSize, bytes.length) })
        events.push(Rendering.message(true, bytes))
        break
      }
      case 2:
      case 3: {
        const data = payload(tape)
        session.send(data.slice(), { compress, fragmentSize: atMost(fragmentSize, data.length) })
        events.push(Rendering.message(false, data))
        break
      }
      case 4: {
        const parts = Array.from({ length: 1 + (tape.next() & 3) }, () => payload(tape))
        parts.forEach((part, at) => session.sendFragment("Binary", part.slice(), at === parts.length - 1, { compress }))
        events.push(Rendering.message(false, Buffer.concat(parts)))
        break
      }
      case 5: {
        const data = payload(tape).subarray(0, 125)
        session.ping(data.slice())
        events.push(Rendering.ping(data))
        break
      }
      case 6: {
        const data = payload(tape).subarray(0, 125)
        session.pong(data.slice())
        events.push(Rendering.pong(data))
        break
      }
      case 7: {
        // Rare, because nothing follows it.
        if (tape.next() < 200) break
        const code = 3000 + tape.next()
        session.close(code, "bye")
        events.push(Rendering.close(code, "bye"))
      }
    }
    const bytes = await written(session)
    size += bytes.length
    pieces.push(bytes)
  }
  return { wire: new Uint8Array(Buffer.concat(pieces)), events }
}

// Not more fragments than the limit of the receiver allows.
const atMost = (fragmentSize: number | undefined, length: number): number | undefined =>
  fragmentSize === undefined ? undefined : Math.max(fragmentSize, Math.ceil(length / 32))
