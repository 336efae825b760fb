/** Effect's own WebSocket server, `NodeSocketServer.makeWebSocket`, which puts Effect's `Socket` over `ws`. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Effect from "effect/Effect"
import type * as Socket from "effect/socket/Socket"
import { settings } from "../Deflated.ts"
import { announce, compression } from "./Control.ts"

const echo = Effect.fnUntraced(function* (socket: Socket.Socket) {
  const { pull } = yield* socket.reader
  const writer = yield* socket.writer
  while (true) yield* writer.writeAll(yield* pull)
}, Effect.scoped)

const program = Effect.gen(function* () {
  const perMessageDeflate = compression !== undefined && { threshold: 0, zlibDeflateOptions: settings }
  const server = yield* NodeSocketServer.makeWebSocket({
    host: "127.0.0.1",
    port: 0,
    backlog: 1024,
    perMessageDeflate
  })
  if (server.address._tag === "UnixPathAddress") return yield* Effect.die("a port was expected")
  announce(server.address.port)
  return yield* server.run((socket) => Effect.ignore(echo(socket)))
})

NodeRuntime.runMain(Effect.scoped(program))
