/**
 * A WebSocket beside what a `node:http` server does already: the server stays as it is, and its upgrades at one path
 * become connections.
 *
 * `node packages/examples/src/node-http.ts` listens on port 8000: `curl http://127.0.0.1:8000/` gets a line of text,
 * and `npx -y pnpm@12 connect ws://127.0.0.1:8000/echo` an echo.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Stream } from "effect"
import { HttpUpgrade, WebSocketServer } from "effect-ws"
import { createServer } from "node:http"

const Echo = WebSocketServer.layer((connection) =>
  Stream.runForEach(connection.messages, (message) => connection.send(message))
)

const listen = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => createServer((_, response) => response.end("a page\n")).listen(port, "127.0.0.1")),
    (server) => Effect.sync(() => server.close())
  )

/** Both on a port of this machine; 0 takes a free one. */
export const app = (port: number) =>
  Layer.unwrap(
    Effect.map(listen(port), (server) =>
      Echo.pipe(Layer.provide(HttpUpgrade.layerServer(server, { paths: ["/echo"] })))
    )
  )

if (import.meta.main) NodeRuntime.runMain(Layer.launch(app(8000)))
