import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Certificates from "@effect-ws/test-support/Certificates"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, FileSystem, Layer, Logger, Redacted, Stream } from "effect"
import { Client, Dialer, Tls, WebSocketServer } from "effect-ws"
import { existsSync } from "node:fs"
import * as Ws from "ws"
import * as Http2Bridge from "../src/Http2Bridge.ts"
import * as Kosoku from "../src/Kosoku.ts"
import * as KosokuServer from "../src/KosokuServer.ts"
import * as Report from "../src/Report.ts"
import * as Subject from "../src/Subject.ts"
import { wsEcho } from "./WsEcho.ts"

/** Returns what the ws client receives, and how it is closed. */
const converse = (url: string): Effect.Effect<readonly [text: string, code: number]> =>
  Effect.callback((resume) => {
    const socket = new Ws.WebSocket(url, ["echo"])
    let echoed = ""
    socket.on("open", () => socket.send(`hello by ${socket.protocol}`))
    socket.on("message", (data: Buffer) => {
      echoed = data.toString()
      socket.close(4000)
    })
    socket.on("error", (error) => resume(Effect.die(error)))
    socket.on("close", (code) => resume(Effect.succeed([echoed, code])))
  })

const cases = ["1.1.8", "6.4.1", "7.1.5", "7.1.6", "13.2.1"]

const needsKosoku = it.live.skipIf(!process.env.CI && !existsSync(Kosoku.executable))

const reports = FileSystem.FileSystem.use((fs) => fs.makeTempDirectoryScoped({ prefix: "conformance-" }))

const failures = (results: Report.Results) => Report.judge(cases, results).filter(({ passed }) => !passed)

describe("Http2Bridge", () => {
  it.live("carries a client of HTTP/1.1 to a server of HTTP/2", () =>
    Effect.gen(function* () {
      const { cert, key } = yield* Effect.promise(() =>
        Certificates.makeSelfSigned({ name: "localhost", ...Certificates.localhost })
      )
      const versions: Array<string> = []
      const echo = WebSocketServer.layer(
        (connection) => {
          versions.push(connection.request.version)
          return Stream.runForEach(connection.messages, (message) => connection.send(message))
        },
        { subprotocols: ["echo"], paths: ["/echo"] }
      ).pipe(Layer.provide(Tls.layerServer({ port: 0, cert, key: Redacted.make(key), http2: true })))
      const { address } = Context.get(yield* Layer.build(echo), WebSocketServer.WebSocketServer)
      const bridge = yield* Http2Bridge.toServer(Dialer.formatAddress(address), cert)
      assert.deepStrictEqual(yield* converse(`ws://${bridge}/echo`), ["hello by echo", 4000])
      assert.deepStrictEqual(versions, ["HTTP/2"])
      const refused = yield* Effect.callback<string>((resume) => {
        const socket = new Ws.WebSocket(`ws://${bridge}/else`)
        socket.on("error", (error) => resume(Effect.succeed(error.message)))
      })
      assert.strictEqual(refused, "Unexpected server response: 404")
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
  )

  it.live("carries our client over HTTP/2 to a server of HTTP/1.1", () =>
    Effect.gen(function* () {
      const bridge = yield* Http2Bridge.toSuite(yield* wsEcho)
      const connection = yield* Client.connect(`ws://${bridge}/`, { http: "2" })
      yield* connection.send("hello")
      assert.strictEqual((yield* connection.receive).data, "hello")
      assert.strictEqual(connection.request.version, "HTTP/2")
      yield* connection.close(4000)
      assert.strictEqual((yield* connection.closed).received?.code, 4000)
    }).pipe(Effect.scoped, Effect.provide(Client.layerDirect()))
  )

  needsKosoku(
    "carries the suite to our server, and our client to the suite (needs Python: `pnpm conformance` installs kosoku)",
    () =>
      Effect.gen(function* () {
        yield* Kosoku.install
        const { address, cert } = yield* Subject.startHttp2("queue")
        const bridge = yield* Http2Bridge.toServer(address, cert)
        const options = { cases, timeout: "60 seconds" } as const
        const server = yield* Kosoku.fuzzServer({ ...options, reports: yield* reports, address: bridge })
        assert.deepStrictEqual(failures(server), [])
        const client = yield* KosokuServer.fuzzClient({ ...options, reports: yield* reports, http2: true })
        assert.deepStrictEqual(failures(client), [])
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    180_000
  )
})
