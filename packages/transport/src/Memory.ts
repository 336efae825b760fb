/**
 * An in-memory network: servers listen on a port or a name, dialers look them up in a Map, and bytes travel through
 * bounded pipes. It makes tests fast and deterministic, and lets parts of one process speak WebSocket to each other. It
 * uses no clock: bytes arrive in later microtasks in the order of the writes, so a program runs the same way each time,
 * under `TestClock` too.
 *
 * Bytes are copied on write. Half-close and reset are supported, TLS is not.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import type { SocketError } from "effect/socket/Socket"
import type { SocketServer, SocketServerError } from "effect/socket/SocketServer"
import { Dialer, formatAddress, hostPort } from "./Dialer.ts"
import type { DialAddress } from "./Dialer.ts"
import { Acceptor, defaultMaxPending, makeServices } from "./internal/Acceptor.ts"
import { makeDialed } from "./internal/dial.ts"
import { listenError, openError, systemError } from "./internal/errors.ts"
import { makePair, MicrotaskScheduler } from "./internal/MemoryDuplex.ts"
import type { PushSocket } from "./Push.ts"
import type { PushSocketServer } from "./PushSocketServer.ts"
import { limit } from "./internal/options.ts"

/**
 * The address of a server in the memory network: a port, on one or all host names, or a name.
 *
 * @category models
 * @since 0.1.0
 */
export type ListenAddress =
  | {
      /** Port; 0 takes the next free one from 49152 up. */
      readonly port: number
      /** Only host name that reaches the server, compared exactly. Default: any. */
      readonly host?: string | undefined
    }
  | {
      /** Name, dialled as `{ path: name }`. */
      readonly name: string
    }

/**
 * Options of the memory network.
 *
 * @category models
 * @since 0.1.0
 */
export interface NetworkOptions {
  /**
   * Capacity in bytes of a pipe in each direction, like the buffer of a real socket; writes beyond it are pending, and
   * writers wait. Default: 65536.
   */
  readonly pipeSize?: number | undefined
  /** Approximate bytes read ahead of `pull`: the last write may exceed it. Default: 65536. */
  readonly readAhead?: number | undefined
}

/**
 * Options of a server in the memory network.
 *
 * @category models
 * @since 0.1.0
 */
export type ServerOptions = ListenAddress & {
  /** Maximum connections that wait for `run` or `accept`; more are reset. Default: 1024. */
  readonly maxPending?: number | undefined
}

/**
 * The listening servers, by address.
 *
 * @category services
 * @since 0.1.0
 */
export class MemoryNetwork extends Context.Service<
  MemoryNetwork,
  {
    readonly listen: (
      options: ServerOptions
    ) => Effect.Effect<Context.Context<SocketServer | PushSocketServer>, SocketServerError, Scope.Scope>
    readonly dial: Dialer["Service"]["dial"]
  }
>()("@effect-ws/transport/MemoryNetwork") {}

/**
 * Makes an empty network.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeNetwork = (options?: NetworkOptions): MemoryNetwork["Service"] => {
  const listeners = new Map<string, Listener>()
  const scheduler = new MicrotaskScheduler()
  const settings = {
    pipeSize: limit("pipeSize", options?.pipeSize ?? 65536, 1),
    readAhead: limit("readAhead", options?.readAhead ?? 65536),
    scheduler
  }
  let lastPort = firstFreePort - 1

  const listen: MemoryNetwork["Service"]["listen"] = (server) =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        const address = "name" in server ? server : { ...server, port: server.port === 0 ? freePort() : server.port }
        const key = keyOf(address)
        if (listeners.has(key)) {
          return Effect.fail(listenError(key, systemError("EADDRINUSE", "listen", "address already in use")))
        }
        const listener: Listener = {
          acceptor: new Acceptor(server.maxPending ?? defaultMaxPending),
          address: "name" in address ? NetAddress.unixPathAddress(address.name) : loopback(address.port)
        }
        listeners.set(key, listener)
        const stop = Effect.sync(() => {
          if (listeners.get(key) === listener) listeners.delete(key)
          listener.acceptor.stop()
        })
        return Effect.succeed({ listener, stop })
      }),
      ({ stop }) => stop
    ).pipe(Effect.map(({ listener, stop }) => makeServices(listener.acceptor, listener.address, stop)))

  // The port of a client is only its name, so they begin again from the first where there are no more. Where all ports
  // have a listener, another one fails with EADDRINUSE.
  const freePort = (): number => {
    for (let tries = firstFreePort; tries <= lastFreePort; tries++) {
      lastPort = lastPort < lastFreePort ? lastPort + 1 : firstFreePort
      if (!listeners.has(keyOf({ port: lastPort }))) break
    }
    return lastPort
  }

  const find = (address: DialAddress): Listener | undefined => {
    if ("path" in address) return listeners.get(keyOf({ name: address.path }))
    const { host, port } = hostPort(address)
    return listeners.get(keyOf({ host, port })) ?? listeners.get(keyOf({ port }))
  }

  const connect = (address: DialAddress): Effect.Effect<PushSocket, SocketError, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        const listener = find(address)
        if (listener === undefined) {
          return Effect.fail(
            openError(formatAddress(address), systemError("ECONNREFUSED", "connect", "connection refused"))
          )
        }
        const [near, far] = makePair(settings, loopback(freePort()), listener.address)
        // In a later microtask, because accepting may run a handler synchronously.
        scheduler.later(() => listener.acceptor.offer(far))
        return Effect.succeed(near)
      }),
      (socket) => Effect.sync(() => socket.close())
    )

  return { listen, dial: (address) => Effect.succeed(makeDialed(connect(address))) }
}

/**
 * Provides an empty network, for servers and dialers to share.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNetwork = (options?: NetworkOptions): Layer.Layer<MemoryNetwork> =>
  Layer.sync(MemoryNetwork, () => makeNetwork(options))

/**
 * Listens in the memory network, as `Tcp.layerServer` listens on a port.
 *
 * **Details**
 *
 * An address in use fails with a `SocketServerError` that names it. `SocketServer.address` is 127.0.0.1 with the port,
 * or a Unix path with the name.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer = (
  options: ServerOptions
): Layer.Layer<SocketServer | PushSocketServer, SocketServerError, MemoryNetwork> =>
  Layer.effectContext(Effect.flatMap(MemoryNetwork, (network) => network.listen(options)))

/**
 * Dials in the memory network.
 *
 * **Details**
 *
 * Connecting takes no time, so `connectTimeout` has no effect.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDialer: Layer.Layer<Dialer, never, MemoryNetwork> = Layer.effect(
  Dialer,
  Effect.map(MemoryNetwork, (network) => ({ dial: network.dial }))
)

/**
 * Provides a server and a dialer on a network of their own: the in-memory counterpart of `Tcp.layer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: ServerOptions & NetworkOptions
): Layer.Layer<SocketServer | PushSocketServer | Dialer | MemoryNetwork, SocketServerError> =>
  Layer.merge(layerServer(options), layerDialer).pipe(Layer.provideMerge(layerNetwork(options)))

// RFC 6335 6: "the Dynamic Ports ... from 49152-65535".
const firstFreePort = 49_152
const lastFreePort = 65_535

interface Listener {
  readonly acceptor: Acceptor
  readonly address: NetAddress.SocketAddress
}

const keyOf = (address: ListenAddress): string =>
  "name" in address ? address.name : `${address.host ?? "*"}:${address.port}`

const loopback = (port: number): NetAddress.SocketAddress => NetAddress.inetAddressUnsafe(NetAddress.ipv4Loopback, port)
