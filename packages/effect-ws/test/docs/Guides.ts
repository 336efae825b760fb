/** Tests of the pages that lead through a task: from the first program to one in production. */
import * as Client from "@effect-ws/client/Client"
import * as Message from "@effect-ws/protocol/Message"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as TestCertificates from "@effect-ws/test-support/Certificates"
import { formatAddress } from "@effect-ws/transport/Dialer"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { writeFileSync } from "node:fs"
import { open } from "../support/Client.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Pages from "../support/Pages.ts"

const freePort = [["port: 8000", "port: 0"]] as const

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
  "sessions-1": Pages.itself,
  "rate-limits-1": Pages.itself,
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
