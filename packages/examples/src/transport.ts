/**
 * A transport of one's own, over the streams of `node:net`. Whatever else gives Node streams (an SSH channel, a pipe to
 * a child process, a multiplexer) is done in the same way: replace what listens and what connects. The suite of
 * `@effect-ws/testing` runs over it in `packages/examples/test/transport.test.ts`.
 */
import { CustomTransport, Dialer, NodeDuplex } from "@effect-ws/transport"
import { Effect, Layer } from "effect"
import { NetAddress } from "effect/net"
import * as Net from "node:net"

/** Listens on a port of this machine; 0 takes a free one. */
export const layerServer = (port: number) =>
  Layer.effectContext(
    Effect.gen(function* () {
      // Half-open: the peer's FIN must not end what we still write.
      const server = Net.createServer({ allowHalfOpen: true })
      const name = `127.0.0.1:${port}`
      yield* Effect.callback<void, ReturnType<typeof CustomTransport.listenError>>((resume) => {
        server.once("error", (cause) => resume(Effect.fail(CustomTransport.listenError(name, cause))))
        server.listen(port, "127.0.0.1", () => resume(Effect.void))
      })
      const bound = (server.address() as Net.AddressInfo).port
      const { push, services } = yield* CustomTransport.listener({
        address: NetAddress.inetAddressUnsafe(NetAddress.ipv4Loopback, bound),
        close: Effect.sync(() => void server.close())
      })
      server.on("connection", (stream) => push(NodeDuplex.fromDuplex(stream)))
      return services
    })
  )

const connect = (host: string, port: number) =>
  Effect.acquireRelease(
    Effect.callback<Net.Socket, ReturnType<typeof CustomTransport.openError>>((resume) => {
      const stream = Net.connect({ host, port, allowHalfOpen: true })
      const fail = (cause: Error) => resume(Effect.fail(CustomTransport.openError(`${host}:${port}`, cause)))
      stream.once("error", fail)
      stream.once("connect", () => {
        stream.off("error", fail)
        resume(Effect.succeed(stream))
      })
      return Effect.sync(() => stream.destroy())
    }).pipe(Effect.map((stream) => NodeDuplex.fromDuplex(stream))),
    (socket) => Effect.sync(() => socket.close()),
    { interruptible: true }
  )

/** Dials hosts and ports. */
export const layerDialer = Layer.succeed(Dialer.Dialer, {
  dial: (address) =>
    Effect.sync(() => {
      const { host, port } = Dialer.hostPort(address as NetAddress.InetAddress)
      return CustomTransport.dialed(connect(host, port))
    })
})

/** Both ends. */
export const layer = (port: number) => Layer.merge(layerServer(port), layerDialer)
