/**
 * The server under attack, as a process of its own: `node --expose-gc src/subject.ts fiber|queue tcp|tls [--leak]`. It
 * echoes every message, has short limits so that a run need not wait for the long defaults, prints the port it listens
 * on, and answers each line on standard input with one line of JSON that counts what it holds. `--leak` plants a fault,
 * a fiber for each connection of the fiber server, so that a test can show that a leak is found.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import type * as Message from "@effect-ws/protocol/Message"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Tls from "@effect-ws/transport/Tls"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import { readdirSync } from "node:fs"
import { queryObjects } from "node:v8"
import { localhost, makeSelfSigned } from "@effect-ws/test-support/Certificates"
import type { Held } from "./Verdict.ts"

const [server, transport, ...flags] = process.argv.slice(2)

const options: WebSocketServer.ServerOptions = {
  origins: "any",
  handshakeTimeout: "5 seconds",
  maxMessageSize: 1024 * 1024,
  maxBufferedBytes: 2 * 1024 * 1024,
  messageTimeout: "8 seconds",
  keepalive: { interval: "4 seconds", timeout: "4 seconds" },
  closeTimeout: "2 seconds",
  maxCloseTime: "20 seconds",
  handlerTimeoutAfterClose: "2 seconds",
  drainTimeout: "1 second"
}

// Garbage collection cannot free a fiber that a timer resumes.
const leak = flags.includes("--leak") ? Effect.forkDetach(Effect.sleep("1 hour")) : Effect.void

const echo = (connection: Connection, message: Message.Message) => connection.send(message)

const Server =
  server === "queue"
    ? WebSocketServer.layerQueue({ onMessage: echo }, options)
    : WebSocketServer.layer(
        (connection) =>
          Effect.andThen(
            leak,
            Stream.runForEach(connection.messages, (message) => echo(connection, message))
          ),
        options
      )

const identity = async (): Promise<Tls.Identity> => {
  const { cert, key } = await makeSelfSigned({ name: "localhost", ...localhost })
  return { cert, key: Redacted.make(key) }
}

const Transport =
  transport === "tls"
    ? Layer.unwrap(
        Effect.map(Effect.promise(identity), (pair) =>
          Tls.layerServer({ port: 0, ...pair, handshakeTimeout: "5 seconds" })
        )
      )
    : Tcp.layerServer({ port: 0 })

const Announced = Layer.effectDiscard(
  Effect.gen(function* () {
    const { address, connections } = yield* WebSocketServer.WebSocketServer
    const fiber = yield* Effect.withFiber((fiber) => Effect.succeed(fiber.constructor))
    process.stdin.on("data", () => {
      const held: Held = {
        connections: Effect.runSync(connections).length,
        // Counting collects the garbage first, so what is counted is what is held.
        fibers: queryObjects(fiber as typeof Object, { format: "count" }) as unknown as number,
        descriptors: readdirSync("/proc/self/fd").length,
        heapKiB: process.memoryUsage().heapUsed / 1024
      }
      process.stdout.write(`${JSON.stringify(held)}\n`)
    })
    process.stdin.on("end", () => process.kill(process.pid, "SIGTERM"))
    if (address._tag !== "UnixPathAddress") process.stdout.write(`${address.port}\n`)
  })
)

Announced.pipe(
  Layer.provide(Server),
  Layer.provide(PermessageDeflate.layer({ threshold: 1024 })),
  Layer.provide(Transport),
  Layer.launch,
  Effect.provideService(References.MinimumLogLevel, "None"),
  NodeRuntime.runMain({
    // Being told to stop counts as success, as it does for the command line.
    teardown: (exit, onExit) => onExit(exit._tag === "Success" || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)
  })
)
