/** A server that says Welcome and is silent from then on. */
import type * as Memory from "@effect-ws/transport/Memory"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { Context, Effect } from "effect"
import { SocketServer } from "effect/socket"
import * as TopicProtocol from "../../src/TopicProtocol.ts"

export const serveSilent = Effect.fnUntraced(function* (network: Memory.MemoryNetwork["Service"], port: number) {
  const sockets = yield* network.listen({ port })
  yield* WebSocketServer.make(
    {
      onMessage: (connection, message) => {
        const hello = JSON.parse(String(message.data)) as { readonly _tag: string; readonly ref: number }
        return hello._tag === "Hello"
          ? connection.send(
              TopicProtocol.encodeServer({ _tag: "Welcome", ref: hello.ref, heartbeat: 5000, idWindow: 60_000 })
            )
          : Effect.void
      }
    },
    { subprotocols: [TopicProtocol.subprotocol] }
  ).pipe(Effect.provideService(SocketServer.SocketServer, Context.get(sockets, SocketServer.SocketServer)))
})
