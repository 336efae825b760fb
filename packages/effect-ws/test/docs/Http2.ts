/** Tests for the code blocks of docs/http2.md. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import * as Http2 from "node:http2"
import * as Certificates from "../support/Certificates.ts"
import * as Pages from "../support/Pages.ts"

// A client's text frame with "hi", masked with zeros.
const hi = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])

/** A server of the page. */
const serve = Effect.fnUntraced(function* (name: string) {
  const { caFile, certFile, keyFile } = yield* Certificates.make
  const { port } = yield* Pages.startServer(name, [
    ["port: 8443", "port: 0"],
    ['"cert.pem"', JSON.stringify(certFile)],
    ['"key.pem"', JSON.stringify(keyFile)]
  ])
  return { caFile, port }
})

/** Runs a server of the page, and connects to it over HTTP/2. */
const echoes = (name: string, path: string): Pages.Cover =>
  Pages.run(
    "echoes on a stream of HTTP/2",
    Effect.gen(function* () {
      const { caFile, port } = yield* serve(name)
      const ca = readFileSync(caFile)
      const session = yield* Effect.acquireRelease(
        Effect.callback<Http2.ClientHttp2Session>((resume) => {
          const session = Http2.connect(`https://localhost:${port}`, { ca })
          session.once("error", (error) => resume(Effect.die(error)))
          session.once("remoteSettings", () => resume(Effect.succeed(session)))
        }),
        (session) => Effect.sync(() => session.destroy())
      )
      const stream = session.request(
        {
          ":method": "CONNECT",
          ":protocol": "websocket",
          ":scheme": "https",
          ":path": path,
          ":authority": "localhost",
          "sec-websocket-version": "13"
        },
        { endStream: false }
      )
      stream.write(hi)
      const echoed = yield* Effect.callback<Buffer>((resume) => {
        stream.once("data", (chunk: Buffer) => resume(Effect.succeed(chunk)))
      })
      assert.deepStrictEqual([...echoed], [0x81, 2, 0x68, 0x69])
    })
  )

export const covers: Pages.Covers = {
  "http2-1": echoes("http2-1", "/"),
  "http2-2": echoes("http2-2", "/chat/tea"),
  "http2-3": Pages.run(
    "talks to the server of that page",
    Effect.gen(function* () {
      const { caFile, port } = yield* serve("http2-1")
      const { greeting } = yield* Pages.load<{
        readonly greeting: Effect.Effect<readonly [version: string, message: { readonly data: unknown }], unknown>
      }>("http2-3", [
        [":8443", `:${port}`],
        ['"ca.pem"', JSON.stringify(caFile)]
      ])
      const [version, { data }] = yield* greeting
      assert.deepStrictEqual([version, data], ["HTTP/2", "hello"])
    })
  )
}
