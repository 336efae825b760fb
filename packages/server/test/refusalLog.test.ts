/** What a server logs of the handshakes that it refuses: the first by each rule, and then few. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { network } from "@effect-ws/test-peers/InMemory"
import type { Entry } from "@effect-ws/test-peers/Programs"
import { captureLogs, connect, echo } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { start } from "./support/variants.ts"

const setUp = Effect.fnUntraced(function* (options?: WebSocketServer.ServerOptions) {
  const entries: Array<Entry> = []
  const server = yield* start(
    WebSocketServer.layer(echo, { paths: ["/"], maxConnections: 1, ...options }).pipe(
      Layer.provide(captureLogs(entries))
    )
  )
  const refused = (options: { readonly target?: string; readonly origin?: string }) =>
    Effect.flip(Effect.scoped(connect(server, options)))
  const lines = () =>
    entries
      .filter(({ message }) => message.startsWith("Rejected"))
      .map(({ level, message }) => `${level}: ${message.replace(/ from \S+/, "")}`)
  return { server, refused, lines }
})

const foreign = { origin: "https://evil.example" }

describe("refused handshakes", () => {
  it.effect("are logged with what was compared, and then at most once in ten seconds for each rule", () =>
    Effect.gen(function* () {
      const { lines, refused } = yield* setUp()
      for (let n = 0; n < 50; n++) yield* refused(foreign)
      const line =
        'Info: Rejected a handshake with 403: the origin "https://evil.example" may not connect to this server: ' +
        'it is not that of the host asked for, "localhost"'
      assert.deepStrictEqual(lines(), [line])

      yield* refused({ target: "/nowhere" })
      assert.match(lines()[1]!, /^Info: Rejected a handshake with 404: /)

      yield* TestClock.adjust("9 seconds")
      yield* refused(foreign)
      assert.lengthOf(lines(), 2)
      yield* TestClock.adjust("1 second")
      yield* refused(foreign)
      assert.deepStrictEqual(lines().slice(2), [`${line} (and 50 others since the last such line)`])
    }).pipe(Effect.provide(network))
  )

  it.effect.each([
    { interval: "1 minute", logged: [1, 1, 2] },
    { interval: 0, logged: [3, 4, 5] },
    { interval: Infinity, logged: [1, 1, 1] }
  ] as const)("are logged as often as refusalLogInterval says: $interval", ({ interval, logged }) =>
    Effect.gen(function* () {
      const { lines, refused } = yield* setUp({ refusalLogInterval: interval })
      for (let n = 0; n < 3; n++) yield* refused(foreign)
      assert.lengthOf(lines(), logged[0])
      yield* TestClock.adjust("59 seconds")
      yield* refused(foreign)
      assert.lengthOf(lines(), logged[1])
      yield* TestClock.adjust("1 second")
      yield* refused(foreign)
      assert.lengthOf(lines(), logged[2])
    }).pipe(Effect.provide(network))
  )

  it.effect("are warnings where the server is full", () =>
    Effect.gen(function* () {
      const { lines, refused, server } = yield* setUp()
      yield* connect(server)
      yield* refused({})
      assert.match(lines()[0]!, /^Warn: Rejected a handshake with 503: /)
    }).pipe(Effect.provide(network))
  )

  it.effect("are no matter of plain requests", () =>
    Effect.gen(function* () {
      const { lines, server } = yield* setUp()
      const peer = yield* RawPeer.dial(server.address)
      yield* peer.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
      assert.strictEqual((yield* peer.head).status, 426)
      assert.deepStrictEqual(lines(), [])
    }).pipe(Effect.provide(network))
  )
})
