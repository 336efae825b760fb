/**
 * Happy Eyeballs (RFC 8305). A name often has several IPv6 and IPv4 addresses, and not all of them are reachable from
 * everywhere. This dialer tries them in parallel, each a short delay after the previous one, and keeps the first that
 * connects. An unreachable address costs that delay and not a timeout.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as SharedTimeouts from "@effect-ws/transport/SharedTimeouts"
import * as Dialer from "@effect-ws/transport/Dialer"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import * as Dns from "node:dns"
import { isIP } from "node:net"
import { namedOpenError } from "./internal/errors.ts"
import { makeLazy, openSocket } from "./internal/LazySocket.ts"
import type { OpenSocket } from "./internal/LazySocket.ts"

/**
 * Resolves a host name to its IP addresses, best first.
 *
 * @category models
 * @since 0.1.0
 */
export type Lookup = (host: string) => Effect.Effect<ReadonlyArray<string>, unknown>

/**
 * Options of the dialer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Time between the start of one attempt and the next; after a failure the next starts at once. Default: 250 ms. */
  readonly delay?: Duration.Input | undefined
  /** Maximum number of addresses of a name that the dialer tries. Default: 8. */
  readonly maxAddresses?: number | undefined
  /** Resolver of host names. Default: the system's resolver, in its order. */
  readonly lookup?: Lookup | undefined
  /** Maximum time of the lookup and all attempts together, unless the dial sets one. Default: 10 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
}

/**
 * Resolves a name with the system's resolver.
 *
 * @category constructors
 * @since 0.1.0
 */
export const systemLookup: Lookup = (host) =>
  Effect.callback((resume) => {
    Dns.lookup(host, { all: true, order: "verbatim" }, (error, addresses) => {
      resume(error === null ? Effect.succeed(addresses.map(({ address }) => address)) : Effect.fail(error))
    })
  })

/**
 * Sorts addresses into the order of attempts: the family of the first address and the other family alternate.
 *
 * @category constructors
 * @since 0.1.0
 */
export const interleave = (addresses: ReadonlyArray<string>): ReadonlyArray<string> => {
  // RFC 8305 4: "an address of the other family should come next"
  const family = isIP(addresses[0] ?? "")
  const first = addresses.filter((address) => isIP(address) === family)
  const second = addresses.filter((address) => isIP(address) !== family)
  const ordered: Array<string> = []
  for (let at = 0; at < Math.max(first.length, second.length); at++) {
    ordered.push(...first.slice(at, at + 1), ...second.slice(at, at + 1))
  }
  return ordered
}

/**
 * Makes a dialer that tries the addresses of a name in parallel, on top of a dialer for IP addresses.
 *
 * **Details**
 *
 * Delays and timeouts use Effect's Clock. The inner dialer gets IP addresses and paths unchanged. When every address
 * fails, the `SocketOpenError` lists the failure of each.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (inner: Dialer.Dialer["Service"], options: Options = {}): Dialer.Dialer["Service"] => {
  const { lookup = systemLookup } = options
  const maxAddresses = Argument.limit("maxAddresses", options.maxAddresses ?? 8, 1)
  const delay = Argument.duration("delay", options.delay ?? "250 millis")
  const defaultTimeout = Argument.duration("connectTimeout", options.connectTimeout ?? "10 seconds")

  const connect = Effect.fnUntraced(function* (host: string, port: number, dialOptions: Dialer.DialOptions) {
    const name = Dialer.formatAddress({ host, port })
    const found = yield* Effect.mapError(lookup(host), (cause) => namedOpenError(name, cause))
    const addresses = interleave(found).slice(0, maxAddresses)
    if (addresses.length === 0)
      return yield* Effect.fail(namedOpenError(name, new Error("the name resolves to no address")))
    const scope = yield* Effect.scope
    return yield* raceInTurn(
      addresses.map((address) => Effect.flatMap(inner.dial({ host: address, port }, dialOptions), openSocket)),
      delay,
      scope
    ).pipe(
      Effect.mapError((errors) => (errors.length === 1 ? errors[0]! : namedOpenError(name, new AggregateError(errors))))
    )
  })

  return {
    dial: (address, dialOptions) => {
      if ("path" in address) return inner.dial(address, dialOptions)
      const { host, port } = Dialer.hostPort(address)
      if (isIP(host) !== 0) return inner.dial(address, dialOptions)
      const connectTimeout = Argument.duration("connectTimeout", dialOptions?.connectTimeout ?? defaultTimeout)
      return Effect.succeed(
        makeLazy(
          SharedTimeouts.timeoutOrElse(connect(host, port, { connectTimeout }), {
            duration: connectTimeout,
            orElse: () =>
              Effect.fail(
                namedOpenError(
                  Dialer.formatAddress({ host, port }),
                  new Error(`no address answered within ${Duration.format(connectTimeout)}`)
                )
              )
          })
        )
      )
    }
  }
}

// Runs attempts and keeps what the first successful one acquired. The next attempt starts after the delay, or when the
// last attempt fails.
const raceInTurn = (
  attempts: ReadonlyArray<Effect.Effect<OpenSocket, Socket.SocketError, Scope.Scope>>,
  delay: Duration.Duration,
  outer: Scope.Scope
): Effect.Effect<OpenSocket, ReadonlyArray<Socket.SocketError>> =>
  Effect.suspend(() => {
    const errors: Array<Socket.SocketError> = []
    const scopes: Array<Scope.Closeable> = []
    const closeOthers = (winner?: Scope.Scope): Effect.Effect<void> =>
      Effect.forEach(
        scopes.filter((scope) => scope !== winner),
        (scope) => Scope.close(scope, Exit.void),
        { discard: true }
      )
    const from = (index: number): Effect.Effect<readonly [OpenSocket, Scope.Scope], void> =>
      Effect.suspend(() => {
        const scope = Scope.forkUnsafe(outer)
        scopes.push(scope)
        const attempt = Scope.provide(attempts[index]!, scope).pipe(
          Effect.map((socket) => [socket, scope] as const),
          Effect.mapError((error) => void errors.push(error))
        )
        if (index === attempts.length - 1) return attempt
        const failed = Deferred.makeUnsafe<void>()
        return Effect.race(
          Effect.tapError(attempt, () => Deferred.succeed(failed, undefined)),
          Effect.andThen(Effect.raceFirst(Effect.sleep(delay), Deferred.await(failed)), from(index + 1))
        )
      })
    return Effect.uninterruptibleMask((restore) =>
      restore(from(0)).pipe(
        Effect.onError(() => closeOthers()),
        Effect.tap(([, scope]) => closeOthers(scope)),
        Effect.map(([socket]) => socket),
        Effect.mapError(() => errors)
      )
    )
  })

/**
 * Provides a dialer that tries the addresses of a name in parallel.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Dialer.Dialer, never, Dialer.Dialer> =>
  Layer.effect(
    Dialer.Dialer,
    Effect.map(Dialer.Dialer, (inner) => make(inner, options))
  )
