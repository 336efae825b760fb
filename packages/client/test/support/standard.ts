import type { Connection } from "@effect-ws/connection/Connection"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Memory from "@effect-ws/transport/Memory"
import type { MemoryNetwork } from "@effect-ws/transport/Memory"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import { it } from "@effect/vitest"
import { Deferred, Effect, Layer, Queue, Stream } from "effect"
import type { Scope } from "effect"
import type { SocketServer } from "effect/socket"
import { makeWebSocketClass } from "../../src/WebSocketClass.ts"
import type { Options, WebSocket, WebSocketClass } from "../../src/WebSocketClass.ts"
import { acceptance } from "./web.ts"
import type { Respond } from "./web.ts"

export type Network = SocketServer.SocketServer | Dialer | MemoryNetwork | Scope.Scope

/** A network in memory; the server of a test listens on port 80 of every host. */
export const network = Layer.fresh(Memory.layer({ port: 80 }))

/** The class on that network. */
export const classOf = (options?: Options): Effect.Effect<WebSocketClass, never, Dialer> =>
  Effect.map(Effect.context<Dialer>(), (context) => makeWebSocketClass(context, options))

/** The class, and a server of ours that runs the handler. */
export const served = Effect.fnUntraced(function* (
  handler: (connection: Connection) => Effect.Effect<unknown, unknown>,
  options?: WebSocketServer.ServerOptions
): Effect.fn.Return<WebSocketClass, never, Network> {
  yield* WebSocketServer.make(handler, options)
  return yield* classOf()
})

/** What is common to our class and Node's. */
export type AnyWebSocket = Pick<
  WebSocket,
  "readyState" | "send" | "close" | "binaryType" | "bufferedAmount" | "protocol" | "extensions" | "url"
> &
  EventTarget

/** What happened to an object, one line an event, with the ready state that its listener saw. */
export interface Recording {
  readonly events: Array<string>
  readonly opened: Effect.Effect<void>
  readonly closed: Effect.Effect<void>
}

const states = ["CONNECTING", "OPEN", "CLOSING", "CLOSED"]

export const record = (socket: object): Recording => {
  const events: Array<string> = []
  const opened = Deferred.makeUnsafe<void>()
  const closed = Deferred.makeUnsafe<void>()
  const target = socket as AnyWebSocket
  const note = (what: string): void => {
    events.push(`${what} [${states[target.readyState]}]`)
  }
  target.addEventListener("open", () => {
    note("open")
    Deferred.doneUnsafe(opened, Effect.void)
  })
  target.addEventListener("message", (event) => note(`message ${String((event as MessageEvent).data)}`))
  target.addEventListener("error", () => note("error"))
  target.addEventListener("close", (event) => {
    const { code, reason, wasClean } = event as CloseEvent
    note(`close ${code}${reason === "" ? "" : ` ${reason}`}${wasClean ? " clean" : ""}`)
    Deferred.doneUnsafe(closed, Effect.void)
  })
  return { events, opened: Deferred.await(opened), closed: Deferred.await(closed) }
}

/** Calls something that must throw, and tells what. */
export const thrown = (call: () => unknown): string => {
  try {
    call()
  } catch (error) {
    return error instanceof DOMException || error instanceof TypeError ? error.name : `unexpected ${String(error)}`
  }
  return "nothing"
}

/** A turn of the event loop. */
export const turn: Effect.Effect<void> = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** Turns until something holds. */
export const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.andThen(turn, until(condition))))

/** The server of a test. */
export const url = "ws://server.test/"

/** A test on a network of its own. */
export const test = (name: string, program: Effect.Effect<void, unknown, Network>): void => {
  it.live(name, () => program.pipe(Effect.scoped, Effect.provide(network)), 10_000)
}

/** Sends every message back. */
export const echo = (connection: Connection): Effect.Effect<void, unknown> =>
  Stream.runForEach(connection.messages, (message) => connection.send(message))

/** A server that keeps what it gets: the messages, and how the connection ended. */
export const keeping = Effect.fnUntraced(function* () {
  const messages = yield* Queue.unbounded<string | Uint8Array>()
  const closeInfo = yield* Deferred.make<CloseInfo>()
  const WebSocketClass = yield* served((connection) =>
    Stream.runForEach(connection.messages, ({ data }) => Queue.offer(messages, data)).pipe(
      Effect.ignore,
      Effect.andThen(connection.closed),
      Effect.flatMap((closed) => Deferred.succeed(closeInfo, closed))
    )
  )
  return { WebSocketClass, messages, closeInfo: Deferred.await(closeInfo) }
})

/** A server of bytes: what it sends behind its acceptance, before it ends the stream or waits for the client to. */
export const raw =
  (frames: ReadonlyArray<number>, then: "end" | "wait" = "wait"): Respond =>
  (asked) =>
  (writer, reader) =>
    Effect.andThen(
      writer.write(Buffer.concat([Buffer.from(acceptance(asked), "latin1"), Uint8Array.from(frames)])),
      then === "end" ? Effect.void : Effect.forever(reader.pull)
    )
