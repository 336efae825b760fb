/**
 * Handwritten HTTP/2 servers that break the rules of HTTP/2. Each loses only its own connection, which fails with a
 * typed error, and the client stays usable.
 */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import type { Scope } from "effect"
import * as Net from "node:net"
import * as Client from "../src/Client.ts"
import { UnexpectedResponse } from "../src/UnexpectedResponse.ts"
import { openSessions, test } from "./support/http2.ts"

const frame = (type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer => {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** SETTINGS with ENABLE_CONNECT_PROTOCOL. */
const settings = frame(4, 0, 0, Buffer.from([0, 8, 0, 0, 0, 1]))

const acknowledgement = frame(4, 1, 0)

/** HEADERS with a status that the static table of HPACK does not have. */
const status = (code: string, flags = 4): Buffer =>
  frame(1, flags, 1, Buffer.concat([Buffer.from([0x08, code.length]), Buffer.from(code)]))

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** PUSH_PROMISE of stream 2, in place of an answer. */
const push = frame(5, 4, 1, Buffer.concat([uint32(2), Buffer.from([0x82])]))

/** A server that sends one thing at once, and another when the request has come. */
const serve = (greeting: Buffer, answer: Buffer): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const sockets = new Set<Net.Socket>()
    const server = yield* Effect.acquireRelease(
      Effect.callback<Net.Server>((resume) => {
        const server = Net.createServer((socket) => {
          sockets.add(socket)
          let rest: Buffer = Buffer.alloc(0)
          let isPreface = true
          socket.on("error", () => {})
          socket.write(greeting)
          socket.on("data", (chunk: Buffer) => {
            rest = Buffer.concat([rest, chunk])
            if (isPreface && rest.length < 24) return
            if (isPreface) rest = rest.subarray(24)
            isPreface = false
            while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
              // HEADERS: the request.
              if (rest.readUInt8(3) === 1) socket.write(answer)
              rest = rest.subarray(9 + rest.readUIntBE(0, 3))
            }
          })
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.close()
          for (const socket of sockets) socket.destroy()
        })
    )
    return `ws://127.0.0.1:${(server.address() as Net.AddressInfo).port}/`
  })

const options = { http: "2" } as const
const impatient = { ...options, connectTimeout: "500 millis", handshakeTimeout: "500 millis" } as const

describe("Client before hostile servers of HTTP/2", () => {
  const nothing = Buffer.alloc(0)
  for (const [name, expected, greeting, answer] of [
    [
      "answer in HTTP/1.1",
      "SocketError",
      Buffer.from("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
      nothing
    ],
    ["send no frames", "SocketError", Buffer.alloc(64, 0xff), nothing],
    ["break off in the middle of their SETTINGS", "ConnectTimeout", settings.subarray(0, 9), frame(4, 0, 0)],
    ["reset the stream", "SocketError", settings, frame(3, 0, 1, uint32(7))],
    ["send DATA before an answer", "SocketError", settings, frame(0, 0, 1, Buffer.from([0x81, 0]))],
    [
      "send a window of nothing with the answer",
      "not clean",
      settings,
      Buffer.concat([status("200"), frame(8, 0, 1, uint32(0))])
    ],
    [
      "push, although they acknowledged SETTINGS without it",
      "SocketError",
      settings,
      Buffer.concat([acknowledgement, push])
    ],
    // RFC 9113 6.5.2 demands a connection error only once our SETTINGS are acknowledged. Before, nghttp2 resets the
    // promised stream and reports nothing.
    ["push, and acknowledge no SETTINGS", "HandshakeTimeout", settings, push],
    ["say GOAWAY to the stream", "SocketError", settings, frame(7, 0, 0, Buffer.concat([uint32(0), uint32(0)]))],
    [
      "answer with fields that are no HPACK",
      "SocketError",
      settings,
      frame(1, 4, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]))
    ],
    ["answer with a CONTINUATION of nothing", "SocketError", settings, frame(9, 4, 1)],
    ["end the stream with the answer", "not clean", settings, status("200", 5)]
  ] as const) {
    test(
      `that ${name}`,
      Effect.gen(function* () {
        const url = yield* serve(greeting, answer)
        const outcome = yield* Client.connect(url, expected.endsWith("Timeout") ? impatient : options).pipe(
          Effect.flatMap((connection) => connection.closed),
          Effect.match({ onFailure: ({ _tag }) => _tag, onSuccess: ({ clean }) => (clean ? "clean" : "not clean") }),
          Effect.scoped
        )
        assert.strictEqual(outcome, expected)
        const healthy = yield* serve(settings, status("403", 5))
        const refused = yield* Effect.flip(Client.connect(healthy, options))
        assert(refused instanceof UnexpectedResponse, String(refused))
        assert.strictEqual(refused.status, 403)
      })
    )
  }

  test(
    "that answer with one interim response after the other",
    Effect.gen(function* () {
      const url = yield* serve(settings, Buffer.concat(Array.from({ length: 100 }, () => status("103"))))
      const error = yield* Effect.flip(Client.connect(url, options))
      assert.match(error.message, /interim|103/)
      assert.isAtMost(yield* openSessions, 1)
    })
  )
})
