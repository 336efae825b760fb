/**
 * Chat rooms with a page in the browser. A room is a path, `/rooms/NAME?name=WHO`; all who are in it hear what the
 * others say. The handshake's decision reads both and turns away what makes no sense; the handlers find the guest in
 * the connection's context.
 *
 * Each room is a topic: what is said is encoded once, and a guest with a slow connection delays no other. One who does not
 * read at all is closed with 1013 when 256 messages wait for it.
 *
 * `node packages/examples/src/chat.ts` listens on port 8000; open http://127.0.0.1:8000/ in two windows.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Context, Effect, Layer } from "effect"
import type { SocketServer } from "effect/socket"
import { CloseError, HandshakeRejection, Message, Tcp, Topics, WebSocketServer } from "effect-ws"
import type { Accept, Connection, Handlers } from "effect-ws"
import type * as ServerHandshake from "effect-ws/ServerHandshake"
import { readFileSync } from "node:fs"

/** Who is at the other end, and where. */
export class Guest extends Context.Service<Guest, { readonly room: string; readonly name: string }>()(
  "examples/Guest"
) {}

const refuse = (status: number, reason: string): Effect.Effect<never, HandshakeRejection.HandshakeRejection> =>
  Effect.fail(new HandshakeRejection.HandshakeRejection({ status, reason }))

const decodePart = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

// It comes after the check of the origin, which keeps the pages of other sites out.
const decide: Accept.Decide = Effect.fnUntraced(function* (request: ServerHandshake.UpgradeRequest) {
  const room = decodePart(/^\/rooms\/([^/]+)$/.exec(request.path)?.[1] ?? "")
  if (room === undefined || room === "") return yield* refuse(404, "expected /rooms/NAME")
  const name = new URLSearchParams(request.query).get("name")?.trim() ?? ""
  if (name === "" || name.length > 40) return yield* refuse(400, "expected ?name=WHO, of at most 40 characters")
  return { context: Context.make(Guest, { room, name }) }
})

const guestOf = (connection: Connection.Connection): Guest["Service"] =>
  Context.get(connection.context as Context.Context<Guest>, Guest)

/** Tells everyone in a room, who spoke included; `from` is null where the room itself does. */
const tell = (room: string, from: string | null, text: string) =>
  Topics.Topics.use((topics) => topics.publish(room, JSON.stringify({ from, text })))

const handlers: Handlers.Handlers<unknown, Topics.Topics> = {
  onOpen: (connection) => {
    const { name, room } = guestOf(connection)
    return Effect.andThen(
      Topics.Topics.use((topics) => topics.subscribe(connection, room)),
      tell(room, null, `${name} came in`)
    )
  },
  onMessage: (connection, message) => {
    const { name, room } = guestOf(connection)
    return Message.isText(message)
      ? tell(room, name, message.data)
      : Effect.fail(new CloseError.UnsupportedData({ reason: "text only, please" }))
  },
  // Who is gone is in no room any more.
  onClose: (connection) => {
    const { name, room } = guestOf(connection)
    return tell(room, null, `${name} left`)
  }
}

const page = {
  status: 200,
  headers: {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; frame-ancestors 'none'"
  },
  body: readFileSync(new URL("./chat.html", import.meta.url))
}

/** The server, with the page at `/`. */
export const server: Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer> =
  WebSocketServer.layerQueue(handlers, {
    decide,
    maxMessageSize: 4096,
    respond: (request) => (request.target === "/" ? page : undefined)
  }).pipe(Layer.provide(Topics.layer({ onSlowSubscriber: "disconnect" })))

if (import.meta.main) {
  server.pipe(Layer.provide(Tcp.layerServer({ port: 8000 })), Layer.launch, NodeRuntime.runMain)
}
