/**
 * Two sessions wired to each other without a network, for tests: what one sends the other receives, cut up as the test
 * wants, and the work that extensions leave to be done is done.
 */
import type { Extension } from "@effect-ws/extensions"
import { Negotiation } from "@effect-ws/extensions"
import type { CloseError, SessionEvent, Limits } from "@effect-ws/protocol"
import { Session } from "@effect-ws/protocol"
import type { AsyncTransform } from "@effect-ws/protocol/Extension"
import type { Scope } from "effect"
import { Effect } from "effect"

/** Hands the bytes of one write on in pieces. */
export type Split = (bytes: Uint8Array) => ReadonlyArray<Uint8Array>

const inOne: Split = (bytes) => [bytes]

/** The two ends of one connection. */
export interface Pair {
  readonly client: Session.Session
  readonly server: Session.Session
  readonly answers: Negotiation.NegotiatedExtensions["answers"]
}

/** Negotiates as a handshake would, and opens both ends in the Scope. */
export const makePair = Effect.fnUntraced(function* (options: {
  readonly server: ReadonlyArray<Extension.Extension>
  readonly client: ReadonlyArray<Extension.Extension>
  readonly limits?: { readonly [K in keyof Limits.Limits]?: Limits.Limits[K] | undefined } | undefined
}): Effect.fn.Return<Pair, Negotiation.NegotiationError, Scope.Scope> {
  const agreed = yield* Negotiation.negotiate(options.server, Negotiation.offer(options.client))
  const checked = yield* Effect.fromResult(Negotiation.check(options.client, agreed.answers))
  let key = 0x01234567
  return {
    answers: agreed.answers,
    client: new Session.Session({
      role: "client",
      extensions: yield* checked.open,
      limits: options.limits,
      maskingKey: () => (key = (Math.imul(key, 1_664_525) + 1_013_904_223) | 0)
    }),
    server: new Session.Session({ role: "server", extensions: yield* agreed.open, limits: options.limits })
  }
})

/** Takes what a session has to write, as one chunk that the taker owns; pending work is done first. */
export const written = Effect.fnUntraced(function* (
  session: Session.Session
): Effect.fn.Return<Uint8Array<ArrayBuffer>> {
  while (session.pendingEncode !== undefined) session.resumeSend(yield* finish(session.pendingEncode))
  const bytes = new Uint8Array(Buffer.concat(session.output.take()))
  session.output.release(true)
  return bytes
})

/** Hands everything that `from` has to write to `to`, and returns what came of it. */
export const deliver = Effect.fnUntraced(function* (
  from: Session.Session,
  to: Session.Session,
  split: Split = inOne
): Effect.fn.Return<Array<SessionEvent.SessionEvent>> {
  return yield* receive(to, yield* written(from), split)
})

/** Hands bytes to a session, and does the work that they cause. */
export const receive = Effect.fnUntraced(function* (
  session: Session.Session,
  bytes: Uint8Array,
  split: Split = inOne
): Effect.fn.Return<Array<SessionEvent.SessionEvent>> {
  const events: Array<SessionEvent.SessionEvent> = []
  for (const piece of split(bytes)) {
    events.push(...session.receive(piece))
    while (session.pendingDecode !== undefined) {
      events.push(...session.resumeReceive(yield* finish(session.pendingDecode)))
    }
  }
  return events
})

const finish = (pending: AsyncTransform): Effect.Effect<CloseError.SendableCloseError | undefined> =>
  Effect.callback((resume) => pending.start((failure) => resume(Effect.succeed(failure))))

/** Cuts bytes into pieces of random length, from a seed; each piece has a buffer of its own. */
export const cutRandomly =
  (random: () => number, longest: number): Split =>
  (bytes) => {
    const pieces: Array<Uint8Array> = []
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + 1 + Math.floor(random() * longest))
      pieces.push(bytes.slice(at, end))
      at = end
    }
    return pieces
  }

/** Pseudo-random numbers from 0 to 1, from a seed. */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Bytes of which some compress well and some do not, from a source of randomness. */
export const bytesFrom = (random: () => number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  const kind = Math.floor(random() * 4)
  for (let at = 0; at < length; at++) {
    bytes[at] =
      kind === 0
        ? random() * 256
        : kind === 1
          ? 97 + random() * 4
          : kind === 2
            ? 32 + ((at * 7) % 61)
            : at > 300 && random() < 0.98
              ? bytes[at - 290]!
              : random() * 256
  }
  return bytes
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

export const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"))
