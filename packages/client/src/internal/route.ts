/**
 * Chooses what a WebSocket runs on: a connection of its own for HTTP/1.1, or a stream of an HTTP/2 session.
 */
import * as Dialer from "@effect-ws/transport/Dialer"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import type { ClientOptions } from "./ClientOptions.ts"
import { Http2Unavailable } from "../ConnectError.ts"
import * as Http2Sessions from "../Http2Sessions.ts"
import * as Target from "../Target.ts"
import { openTransport, openSession, proxyFor } from "./openTransport.ts"
import type { OpenTransportError, OpenTransportOptions } from "./openTransport.ts"
import { SessionPool } from "./SessionPool.ts"
import type { Dialed } from "./SessionPool.ts"

/** Where a handshake can take place. */
export type Route =
  | Extract<Dialed, { readonly _tag: "Session" }>
  | Omit<Extract<Dialed, { readonly _tag: "Http1" }>, "chosenBy">

/** Opens the route that `http` selects. `"auto"` falls back to HTTP/1.1 if the server has no WebSockets over HTTP/2. */
export const openRoute = Effect.fnUntraced(function* (
  target: Target.Target,
  options: OpenTransportOptions & Pick<ClientOptions, "http">
): Effect.fn.Return<Route, OpenTransportError | Http2Unavailable, Dialer.Dialer | Scope.Scope> {
  const { http = "1.1" } = options
  const openHttp1 = Effect.map(openTransport(target, options), (socket): Route => ({ _tag: "Http1", socket }))
  // Without TLS there is no ALPN, so the client cannot find out whether the server speaks HTTP/2.
  if (http === "1.1" || (http === "auto" && !target.secure)) return yield* openHttp1
  const pool = (yield* Http2Sessions.CurrentSessions) ?? (yield* Http2Sessions.make())
  if (!(pool instanceof SessionPool)) return yield* Effect.die(new TypeError(foreignSessions))
  const proxy = yield* proxyFor(target, options.proxy)
  const { address, secure, url } = target
  const key = fingerprint([dialerId(yield* Dialer.Dialer), address, secure, url.host, options.tls, proxy])
  if (http === "auto" && pool.isWithoutConnect(key)) return yield* openHttp1
  const dialed = yield* pool.lease({ key, dial: (session) => openSession(target, options, session) })
  if (dialed._tag === "Session") return dialed
  if (http === "2") {
    const detail =
      dialed._tag === "NoConnect"
        ? "the server speaks HTTP/2 without extended CONNECT (RFC 8441)"
        : dialed.chosenBy === "server"
          ? "the server chose HTTP/1.1"
          : "the Dialer supports only HTTP/1.1; HTTP/2 needs a TCP, TLS or Unix socket of Node"
    return yield* new Http2Unavailable({ url: Target.format(target), detail })
  }
  return dialed._tag === "Http1" ? dialed : yield* openHttp1
})

const foreignSessions = "CurrentSessions: expected sessions that Http2Sessions.make or Http2Sessions.layer made"

const dialerIds = new WeakMap<object, number>()
let lastDialerId = 0

/** Numbers the dialers. Two dialers may use different networks, so they share no sessions. */
const dialerId = (dialer: object): number => {
  const known = dialerIds.get(dialer)
  if (known !== undefined) return known
  dialerIds.set(dialer, ++lastDialerId)
  return lastDialerId
}

/** Returns a hash that is equal for equal values, so that no secret is stored in the key. */
const fingerprint = (value: unknown): string =>
  createHash("sha256")
    .update(JSON.stringify(reveal(value)))
    .digest("base64")

const reveal = (value: unknown): unknown => {
  if (Redacted.isRedacted(value)) return ["secret", reveal(Redacted.value(value))]
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("latin1")
  if (Array.isArray(value)) return value.map(reveal)
  if (typeof value !== "object" || value === null) return value
  return Object.entries(value)
    .filter(([, part]) => part !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, part]) => [name, reveal(part)])
}
