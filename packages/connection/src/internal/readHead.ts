/**
 * Reads the peer's half of the opening handshake off a socket.
 */
import { HeadError, HeadParser } from "@effect-ws/protocol/HeadParser"
import type { HeadByKind, HeadLimits } from "@effect-ws/protocol/HeadParser"
import * as Effect from "effect/Effect"
import type * as Socket from "effect/socket/Socket"
import { toBytes } from "./bytes.ts"

export interface Read<Head> {
  readonly head: Head
  /** Frames may come in the same packet as the head. */
  readonly early: ReadonlyArray<Uint8Array>
}

export const readHead = <Kind extends keyof HeadByKind>(
  kind: Kind,
  reader: Socket.Reader,
  limits: HeadLimits
): Effect.Effect<Read<HeadByKind[Kind]>, HeadError | Socket.SocketError> =>
  Effect.suspend(() => {
    const parser = new HeadParser(kind, limits)
    const next: Effect.Effect<Read<HeadByKind[Kind]>, HeadError | Socket.SocketError> = Effect.flatMap(
      reader.pull,
      (chunks) => {
        for (let at = 0; at < chunks.length; at++) {
          const parsed = parser.push(toBytes(chunks[at]!))
          if (parsed === undefined) continue
          if (parsed instanceof HeadError) return Effect.fail(parsed)
          return Effect.succeed({ head: parsed.head, early: [parsed.rest, ...chunks.slice(at + 1).map(toBytes)] })
        }
        return next
      }
    )
    return next
  })
