/**
 * A server with many connections that do something, for screenshots of the page and for figures of what it costs. The
 * connections run in memory, so ten thousand of them need no files of the system.
 */
import * as Client from "@effect-ws/client/Client"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as FaultInjection from "@effect-ws/transport/FaultInjection"
import * as Memory from "@effect-ws/transport/Memory"
import { Effect, Layer, Stream } from "effect"
import * as Inspector from "../../src/Inspector.ts"

const paths = ["/chat/lobby", "/chat/effect", "/prices", "/notifications", "/rooms/42/cursor", "/telemetry"]
const subprotocols = ["chat.v2", undefined, "prices.v1", undefined, "cursor", undefined]
const says = [
  '{"say":"good morning","room":"lobby"}',
  '{"symbol":"EUR","bid":1.0841,"ask":1.0843}',
  '{"x":412,"y":88,"who":"ada"}',
  '{"typing":true}',
  '{"ack":1024}'
]

/** A network with the latency of a real one; with thousands of connections that would cost more than they do. */
const network = (size: number) => {
  const memory = Memory.layer({ port: 80, pipeSize: 16_384 })
  return size > 100
    ? memory
    : FaultInjection.layer({ both: { latency: "9 millis", jitter: "12 millis" } }).pipe(Layer.provideMerge(memory))
}

/** The server of the crowd, which answers most of what it is told. */
export const server = (size: number, options?: Inspector.Options) =>
  WebSocketServer.layer(
    (connection) =>
      Stream.runForEach(connection.messages, (message) =>
        message._tag === "Text" && message.data.includes("ack") ? Effect.void : connection.send(message)
      ),
    {
      paths,
      subprotocols: subprotocols.filter((name) => name !== undefined),
      trustedProxies: ["127.0.0.0/8"],
      handshakeTimeout: "2 minutes",
      keepalive: {
        interval: size > 5000 ? "20 seconds" : size > 100 ? "6 seconds" : "2 seconds",
        timeout: "60 seconds"
      }
    }
  ).pipe(
    Layer.provideMerge(Inspector.layer({ payloads: "preview", ...options })),
    Layer.provideMerge(PermessageDeflate.layer()),
    Layer.provideMerge(network(size))
  )

let seed = 7
const random = (): number => {
  seed = (seed * 48_271) % 2_147_483_647
  return seed / 2_147_483_647
}

const address = (at: number): string => `203.0.${113 + (at >> 8)}.${at & 255}`

/** One client: silent for the most part, or talkative, or one that leaves. */
const member = Effect.fnUntraced(function* (at: number) {
  const kind = Math.floor(random() * paths.length)
  const subprotocol = subprotocols[kind]
  const client = yield* Client.connect(`ws://crowd.test${paths[kind]}?token=${at}`, {
    handshakeTimeout: "2 minutes",
    headers: [
      { name: "X-Forwarded-For", value: `${address(at)}:${40_000 + (at % 20_000)}` },
      { name: "User-Agent", value: "crowd/1.0" },
      { name: "Authorization", value: "Bearer 5ecret" }
    ],
    ...(subprotocol === undefined ? {} : { subprotocols: [subprotocol] })
  })
  yield* Effect.forkScoped(Effect.ignore(Stream.runDrain(client.messages)))
  const pause = at < 6 ? 150 * (1 + at / 2) : (at < 100 ? 400 : 8000) + random() ** 2 * 120_000
  const talk = Effect.forever(
    Effect.suspend(() => {
      const data =
        random() < 0.12
          ? crypto.getRandomValues(new Uint8Array(24 + Math.floor(random() * 400)))
          : says[Math.floor(random() * says.length)]!
      return Effect.andThen(client.send(data), Effect.sleep(pause * (0.3 + random() * 1.4)))
    })
  )
  yield* Effect.forkScoped(Effect.ignore(talk))
  return client
})

/** Connects so many clients, and has a few come, go, misbehave and be refused all the time. */
export const crowd = Effect.fnUntraced(function* (size: number) {
  yield* Effect.forEach(
    Array.from({ length: size }, (_, at) => at),
    member,
    { concurrency: 64 }
  )
  const visits = Effect.gen(function* () {
    const at = size + Math.floor(random() * 2000)
    const client = yield* member(at)
    yield* Effect.sleep(500 + random() * 4000)
    const end = random()
    if (end < 0.5) yield* client.close(1000, "done")
    else if (end < 0.7) yield* client.close(4001, "signed out")
    else if (end < 0.85) {
      const bits = { fin: true, rsv1: false, rsv2: false, rsv3: false }
      yield* client.sendFrame({ ...bits, opcode: 3, payload: new Uint8Array(4) }, { unchecked: true })
      yield* client.closed
    } else yield* client.abort()
  })
  const strangers = Effect.gen(function* () {
    yield* Effect.sleep(900 + random() * 3000)
    const options = { headers: [{ name: "X-Forwarded-For", value: address(Math.floor(random() * 900)) }] }
    yield* random() < 0.6
      ? Client.connect("ws://crowd.test/admin?token=guess", options)
      : Client.connect("ws://crowd.test/prices", { ...options, origin: "https://elsewhere.example" })
  })
  const forever = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forever(Effect.ignore(Effect.scoped(effect)))
  yield* Effect.forkScoped(forever(visits))
  yield* Effect.forkScoped(forever(visits))
  yield* Effect.forkScoped(forever(strangers))
})
