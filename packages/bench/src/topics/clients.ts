/** The clients of both sides, each the one of its own library, on several nodes in turn. */
import * as Client from "@effect-ws/client/Client"
import * as TopicClient from "@effect-ws/topics/TopicClient"
import { Effect, Schedule, Stream } from "effect"
import type { Scope } from "effect"
import { io } from "socket.io-client"

/** A client of either side. */
export interface BenchClient {
  /** Calls back with each message of a topic, from now on until the Scope closes. Completes when that is so. */
  readonly subscribe: (topic: string, onData: (data: string) => void) => Effect.Effect<void, unknown, Scope.Scope>
  /** Publishes, and waits for the server's word. */
  readonly publish: (topic: string, data: string) => Effect.Effect<void, unknown>
}

/** Starts a client that connects to the nodes one after the other, beginning with one of them. */
export type MakeClient = (
  ports: ReadonlyArray<number>,
  first: number
) => Effect.Effect<BenchClient, unknown, Scope.Scope>

/** Ours. */
export const ours: MakeClient = Effect.fnUntraced(function* (ports, first) {
  let at = first
  const url = Effect.sync(() => `ws://127.0.0.1:${ports[at++ % ports.length]}/`)
  const client = yield* Effect.provide(
    TopicClient.make({ url, schedule: Schedule.spaced("200 millis"), while: () => true }),
    Client.layerDialer()
  )
  return {
    publish: (topic, data) => client.publish(topic, data),
    subscribe: (topic, onData) =>
      Effect.gen(function* () {
        const { next } = yield* client.history(topic, "oldest")
        yield* Effect.forkScoped(
          Stream.runForEach(client.subscribe(topic, { after: next }), (item) =>
            Effect.sync(() => item._tag === "Entry" && onData(String(item.data)))
          ),
          { startImmediately: true }
        )
      })
  }
})

/** socket.io. */
export const socketio: MakeClient = (ports, first) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let at = first
      const next = (): string => `ws://127.0.0.1:${ports[at++ % ports.length]}/`
      const socket = io(next(), {
        transports: ["websocket"],
        forceNew: true,
        reconnectionDelay: 200,
        reconnectionDelayMax: 200
      })
      // Its documentation has a load balancer for that; this is one without a process of its own.
      socket.io.on("reconnect_attempt", () => void Object.assign(socket.io, { uri: next() }))
      return socket
    }),
    (socket) => Effect.sync(() => socket.disconnect())
  ).pipe(
    Effect.map((socket): BenchClient => {
      const join = (topic: string): Promise<unknown> => socket.timeout(10_000).emitWithAck("join", topic)
      return {
        publish: (topic, data) => Effect.tryPromise(() => socket.timeout(5000).emitWithAck("publish", topic, data)),
        subscribe: (topic, onData) =>
          Effect.tryPromise(async () => {
            socket.on("entry", onData)
            await join(topic)
            socket.on("connect", () => void (socket.recovered || join(topic).catch(() => undefined)))
          })
      }
    })
  )
