/**
 * A program with a page and a WebSocket route on one port, for runtimes that vitest does not run on. It prints its
 * port, and ends when its standard input does.
 */
import { Effect, Layer, Logger, Stream } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"
import * as WebSocketRoute from "../../src/WebSocketRoute.ts"

const page = HttpRouter.add("GET", "/", HttpServerResponse.text("a page"))

const echo = WebSocketRoute.layer("/echo", (connection) =>
  Stream.runForEach(connection.messages, (message) => connection.send(message))
)

const impatient = HttpRouter.middleware(
  (handler) =>
    Effect.timeoutOrElse(handler, {
      duration: "100 millis",
      orElse: () => Effect.succeed(HttpServerResponse.text("too slow", { status: 504 }))
    }),
  { global: true }
)

const slow = WebSocketRoute.layer("/slow", () => Effect.void, { decide: () => Effect.never })

const server = HttpRouter.serve(Layer.mergeAll(page, echo, slow, impatient), {
  disableLogger: true,
  disableListenLog: true
}).pipe(Layer.provideMerge(WebSocketRoute.layerServer(createServer, { port: 0, host: "127.0.0.1" })))

const program = Effect.gen(function* () {
  const { address } = yield* HttpServer.HttpServer
  if (address._tag === "UnixPathAddress") return yield* Effect.die("it has no port")
  process.stdout.write(`port ${address.port}\n`)
  yield* Effect.callback<void>((resume) => {
    process.stdin.on("end", () => resume(Effect.void)).resume()
  })
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide([server, Logger.layer([])])))
process.exit(0)
