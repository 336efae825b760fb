/** Tests of the pages that lead through a task: from the first program to one in production. */
import * as Client from "@effect-ws/client/Client"
import * as Message from "@effect-ws/protocol/Message"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as TestCertificates from "@effect-ws/test-support/Certificates"
import { formatAddress } from "@effect-ws/transport/Dialer"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SocketServer } from "effect/socket/SocketServer"
import { writeFileSync } from "node:fs"
import type { AddressInfo } from "node:net"
import type * as Ws from "ws"
import { open } from "../support/Client.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Pages from "../support/Pages.ts"

const freePort = [["port: 8000", "port: 0"]] as const

/** Two clients: each is welcomed, and the second hears what the first says. */
const passesOn = Effect.fnUntraced(function* (port: number) {
  const [one, other] = [yield* open(`ws://127.0.0.1:${port}/tea`), yield* open(`ws://127.0.0.1:${port}/tea`)]
  for (const client of [one, other]) assert.strictEqual(yield* client.receive, "welcome to /tea")
  yield* one.send("hello")
  assert.strictEqual(yield* other.receive, "hello")
})

const shellOfAProject = Pages.shown("it is for a project of the reader's; scripts/smoke.ts installs the packages")

export const covers: Pages.Covers = {
  "getting-started-1": shellOfAProject,
  "getting-started-2": Pages.run(
    "greets, answers in capitals, and drains",
    Effect.gen(function* () {
      const { child, port } = yield* Pages.startServer("getting-started-2", freePort)
      const client = yield* open(`ws://127.0.0.1:${port}/`)
      assert.strictEqual(yield* client.receive, "Say something")
      yield* client.send("hello")
      assert.strictEqual(yield* client.receive, "HELLO")
      assert.match((yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}/`))).statusText, /Upgrade Required/)
      child.kill("SIGINT")
      assert.strictEqual((yield* client.closed).code, 1001)
    })
  ),
  "getting-started-3": shellOfAProject,
  "getting-started-4": shellOfAProject,
  "getting-started-5": Pages.run(
    "talks to the server of the page",
    Effect.gen(function* () {
      const { port } = yield* Pages.startServer("getting-started-2", freePort)
      const client = yield* Pages.start("getting-started-5", [["8000", String(port)]])
      const { code, stdout } = yield* client.ended
      assert.deepStrictEqual([code, stdout], [0, "Say something\nHELLO\n"])
    })
  ),
  "getting-started-6": Pages.itself,
  "connection-1": Pages.itself,
  "connection-2": Pages.itself,
  "connection-3": Pages.itself,
  "connection-4": Pages.itself,
  "sockets-1": Pages.itself,
  "topics-3": Pages.itself,
  "cluster-1": Pages.example("cluster", "cluster"),
  "sessions-1": Pages.itself,
  "rate-limits-1": Pages.itself,
  "migrating-1": Pages.run(
    "welcomes, and passes messages on, in ws",
    Effect.gen(function* () {
      const { serve } = yield* Pages.load<{ readonly serve: (port: number) => Ws.WebSocketServer }>("migrating-1")
      const server = yield* Effect.acquireRelease(
        Effect.promise(
          () =>
            new Promise<Ws.WebSocketServer>((resolve) => {
              const server = serve(0)
              server.once("listening", () => resolve(server))
            })
        ),
        (server) =>
          Effect.sync(() => {
            for (const client of server.clients) client.terminate()
            server.close()
          })
      )
      yield* passesOn((server.address() as AddressInfo).port)
    })
  ),
  "migrating-2": Pages.run(
    "does the same here",
    Effect.gen(function* () {
      const { Server } = yield* Pages.load<{
        readonly Server: Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer>
      }>("migrating-2")
      const services = yield* Layer.build(Server.pipe(Layer.provide(Tcp.layerServer({ port: 0 }))))
      const { address } = Context.get(services, WebSocketServer.WebSocketServer)
      assert(address._tag !== "UnixPathAddress")
      yield* passesOn(address.port)
    })
  ),
  "migrating-3": Pages.shown("it is what to migrate from, and socket.io is not here"),
  "migrating-4": Pages.itself,
  "migrating-5": Pages.itself,
  "tls-1": Pages.run(
    "speaks TLS, and shows the certificate that was put in its place",
    Effect.gen(function* () {
      const folder = yield* Certificates.directory
      const { makeSelfSigned, localhost } = TestCertificates
      const write = Effect.fnUntraced(function* (name: string) {
        const { cert, key } = yield* Effect.promise(() => makeSelfSigned({ name, ...localhost }))
        writeFileSync(`${folder}/fullchain.pem`, cert)
        writeFileSync(`${folder}/privkey.pem`, key)
        return cert
      })
      const first = yield* write("first")
      const { server } = yield* Pages.load<{
        readonly server: (folder: string, port: number) => Layer.Layer<WebSocketServer.WebSocketServer>
      }>("tls-1", [
        ["0.0.0.0", "127.0.0.1"],
        ["1 hour", "20 millis"]
      ])
      const services = yield* Layer.build(server(folder, 0))
      const { address } = Context.get(services, WebSocketServer.WebSocketServer)
      const url = `wss://${formatAddress(address)}/`
      const connect = (ca: string) => Effect.provide(Client.connect(url, { tls: { ca } }), Client.layerDirect())
      const before = yield* connect(first)
      const second = yield* write("second")
      const after = yield* Effect.eventually(connect(second))
      for (const connection of [before, after]) {
        yield* connection.send("hello")
        assert.deepStrictEqual(yield* connection.receive, Message.text("hello"))
      }
    })
  )
}
