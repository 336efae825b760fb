/** Tests of what the page on HTTP/2 shows. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import * as Http2 from "node:http2"
import * as Certificates from "../support/Certificates.ts"
import * as Pages from "../support/Pages.ts"

// "hi" as a text frame of a client, masked with zeros.
const hi = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])

/** The server of the page. */
const serve = Effect.gen(function* () {
  const { caFile, certFile, keyFile } = yield* Certificates.make
  const { port } = yield* Pages.startServer("http2-1", [
    ["port: 8443", "port: 0"],
    ['"cert.pem"', JSON.stringify(certFile)],
    ['"key.pem"', JSON.stringify(keyFile)]
  ])
  return { caFile, port }
})

export const covers: Pages.Covers = {
  "http2-1": Pages.run(
    "echoes on a stream of HTTP/2",
    Effect.gen(function* () {
      const { caFile, port } = yield* serve
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
          ":path": "/",
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
  ),
  "http2-2": Pages.run(
    "talks to the server of that page",
    Effect.gen(function* () {
      const { caFile, port } = yield* serve
      const { greeting } = yield* Pages.load<{
        readonly greeting: Effect.Effect<readonly [version: string, message: { readonly data: unknown }], unknown>
      }>("http2-2", [
        [":8443", `:${port}`],
        ['"ca.pem"', JSON.stringify(caFile)]
      ])
      const [version, { data }] = yield* greeting
      assert.deepStrictEqual([version, data], ["HTTP/2", "hello"])
    })
  )
}
