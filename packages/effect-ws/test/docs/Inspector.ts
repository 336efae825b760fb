/** Tests of what docs/inspector.md shows. */
import * as Client from "@effect-ws/client/Client"
import * as WebSocketRoute from "@effect-ws/server/WebSocketRoute"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Memory from "@effect-ws/transport/Memory"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { createServer } from "node:http"
import { open } from "../support/Client.ts"
import * as Pages from "../support/Pages.ts"

const fetchText = (url: string) =>
  Effect.promise(async () => (await fetch(url, { headers: { Connection: "close" } })).text())

export const covers: Pages.Covers = {
  "inspector-1": Pages.run(
    "prints where the page is",
    Effect.gen(function* () {
      const line = Pages.command("inspector-1", 0, [["9000", "0 --port 0"]])
      const server = yield* Pages.startCommand(line)
      const [, url] = yield* server.find("stdout", /^inspector on (.*)$/m)
      assert.include(yield* fetchText(url!), "<title>Inspector")
    })
  ),
  "inspector-2": Pages.run(
    "serves, and shows the page on a port of its own",
    Effect.gen(function* () {
      const { find, port } = yield* Pages.startServer("inspector-2", [
        ["port: 8000", "port: 0"],
        ["port: 9000", "port: 0"]
      ])
      const [, url] = yield* find("stdout", /The inspector is at (\S+)/)
      assert.include(yield* fetchText(url!), "<title>Inspector")
      yield* open(`ws://127.0.0.1:${port}/`)
    })
  ),
  "inspector-3": Pages.run(
    "shows the page to whom the middleware lets in",
    Effect.gen(function* () {
      const { routes } = yield* Pages.load<{ readonly routes: Routes }>("inspector-3")
      const server = HttpRouter.serve(routes).pipe(
        Layer.provideMerge(WebSocketRoute.layerServer(createServer, { host: "127.0.0.1", port: 0 }))
      )
      const { address } = Context.get(yield* Layer.build(server), HttpServer.HttpServer)
      assert(address._tag !== "UnixPathAddress")
      const statusOf = (headers: Record<string, string>) =>
        Effect.promise(async () => {
          const url = `http://127.0.0.1:${address.port}/inspector`
          return (await fetch(url, { headers: { ...headers, Connection: "close" } })).status
        })
      assert.strictEqual(yield* statusOf({}), 401)
      assert.strictEqual(yield* statusOf({ Cookie: "session=an%20admin%27s" }), 200)
    })
  ),
  "inspector-4": Pages.itself,
  "inspector-5": Pages.run(
    "is told of a refusal",
    Effect.gen(function* () {
      const { refusals } = yield* Pages.load<{ readonly refusals: Layer.Layer<never> }>("inspector-5", [
        ["console.log", "globalThis.inspectorSaid = "]
      ])
      const server = WebSocketServer.layer(() => Effect.void, { paths: ["/here"] }).pipe(
        Layer.provide(refusals),
        Layer.provideMerge(Layer.fresh(Memory.layer({ port: 80 })))
      )
      yield* Effect.provide(Effect.flip(Client.connect("ws://server.test/there?token=secret")), server)
      assert.strictEqual(Reflect.get(globalThis, "inspectorSaid"), "404 UnknownLocation at /there")
    })
  )
}

type Routes = Layer.Layer<never, never, HttpRouter.HttpRouter | HttpServer.HttpServer>
