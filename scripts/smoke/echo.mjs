/**
 * Plain JavaScript, as a user without TypeScript would write it: an echo server from the installed packages, and a
 * client that speaks raw bytes, because not every Node that we support has a WebSocket of its own.
 */
import { NodeRuntime } from "@effect/platform-node"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Tcp from "@effect-ws/transport/Tcp"
import { Console, Effect, Layer, Logger, Stream } from "effect"
import { connect } from "node:net"

const Echo = WebSocketServer.layer((connection) =>
  Stream.runForEach(connection.messages, (message) => connection.send(message))
)

const text = "smoke"
const mask = Buffer.from([1, 2, 3, 4])
const request = [
  "GET / HTTP/1.1",
  "Host: 127.0.0.1",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "\r\n"
].join("\r\n")
const frame = Buffer.concat([
  Buffer.from([0x81, 0x80 | text.length]),
  mask,
  Buffer.from(text).map((byte, index) => byte ^ mask[index % 4])
])
const echoed = Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)])

const roundTrip = (port) =>
  Effect.callback((resume) => {
    const socket = connect(port, "127.0.0.1")
    let received = Buffer.alloc(0)
    let asked = false
    socket.on("connect", () => socket.write(request))
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk])
      const end = received.indexOf("\r\n\r\n")
      if (end < 0) return
      if (!asked) {
        asked = true
        socket.write(frame)
      }
      const rest = received.subarray(end + 4)
      if (rest.length < echoed.length) return
      const head = received.subarray(0, end).toString("latin1")
      const isRight = head.startsWith("HTTP/1.1 101 ") && rest.equals(echoed)
      resume(isRight ? Effect.succeed(`echoed "${text}"`) : Effect.fail(new Error(`${head}\n${rest.toString("hex")}`)))
    })
    socket.on("error", (error) => resume(Effect.fail(error)))
    socket.on("close", () => resume(Effect.fail(new Error(`closed after ${received.toString("latin1")}`))))
    return Effect.sync(() => socket.destroy())
  })

Effect.gen(function* () {
  const { address } = yield* WebSocketServer.WebSocketServer
  yield* Console.log(yield* roundTrip(address.port))
}).pipe(
  Effect.timeout("10 seconds"),
  Effect.provide(Echo.pipe(Layer.provide(Tcp.layerServer({ port: 0 })))),
  Effect.provide(Logger.layer([])),
  NodeRuntime.runMain
)
