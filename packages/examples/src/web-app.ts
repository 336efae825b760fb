/**
 * A web application on one port: static files, an API, and a WebSocket, all routes of Effect's `HttpRouter`. A poll
 * whose page shows the votes as they come in, whether they were cast over the WebSocket or by `curl`:
 *
 *   curl -X POST http://127.0.0.1:8000/api/polls/lunch/pasta
 *
 * `node packages/examples/src/web-app.ts` listens on port 8000; open http://127.0.0.1:8000/ in two windows.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Context, Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse, HttpStaticServer } from "effect/http"
import { HandshakeRejection, PermessageDeflate, WebSocketRoute } from "effect-ws"
import type { Connection } from "effect-ws"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"

type Votes = Readonly<Record<string, number>>

/** The polls, and who watches them. */
class Polls extends Context.Service<
  Polls,
  {
    readonly votes: (poll: string) => Votes | undefined
    /** Counts a vote and tells everyone; `undefined` where there is no such poll, or no such choice in it. */
    readonly vote: (poll: string, choice: string) => Effect.Effect<Votes | undefined>
    readonly watch: (poll: string, connection: Connection.Connection) => Effect.Effect<void>
    readonly leave: (poll: string, connection: Connection.Connection) => Effect.Effect<void>
  }
>()("examples/Polls") {
  static readonly layer = Layer.sync(Polls, () => {
    const polls = new Map<string, Record<string, number>>([["lunch", { pasta: 0, rice: 0, salad: 0 }]])
    const watchers = new Map([...polls.keys()].map((poll) => [poll, new Set<Connection.Connection>()]))
    return {
      votes: (poll) => polls.get(poll),
      vote: (poll, choice) =>
        Effect.suspend(() => {
          const votes = polls.get(poll)
          if (votes === undefined || !Object.hasOwn(votes, choice)) return Effect.undefined
          votes[choice]!++
          const news = JSON.stringify(votes)
          return Effect.as(
            // Who is gone already is about to leave.
            Effect.forEach(watchers.get(poll)!, (watcher) => Effect.ignore(watcher.send(news)), { discard: true }),
            votes
          )
        }),
      watch: (poll, connection) => Effect.sync(() => void watchers.get(poll)?.add(connection)),
      leave: (poll, connection) => Effect.sync(() => void watchers.get(poll)?.delete(connection))
    }
  })
}

const pollOf = Effect.map(HttpRouter.params, ({ poll = "" }) => poll)

/** The WebSocket: sends the votes, now and whenever they change; each message is a vote. */
const Live = WebSocketRoute.layerQueue(
  "/live/:poll",
  {
    onOpen: (connection) =>
      Effect.gen(function* () {
        const polls = yield* Polls
        const poll = yield* pollOf
        yield* polls.watch(poll, connection)
        yield* connection.send(JSON.stringify(polls.votes(poll)))
      }),
    onMessage: (_, message) =>
      message._tag === "Text"
        ? Effect.flatMap(pollOf, (poll) => Polls.use((polls) => polls.vote(poll, message.data)))
        : Effect.void,
    onClose: (connection) => Effect.flatMap(pollOf, (poll) => Polls.use((polls) => polls.leave(poll, connection)))
  },
  {
    maxMessageSize: 1024,
    maxConnections: 10_000,
    decide: () =>
      Effect.gen(function* () {
        const poll = yield* pollOf
        if ((yield* Polls).votes(poll) === undefined) {
          return yield* new HandshakeRejection.HandshakeRejection({ status: 404, reason: `there is no poll ${poll}` })
        }
        return {}
      })
  }
)

const noSuchPoll = HttpServerResponse.jsonUnsafe({ error: "there is no such poll" }, { status: 404 })

const answer = (votes: Votes | undefined): HttpServerResponse.HttpServerResponse =>
  votes === undefined ? noSuchPoll : HttpServerResponse.jsonUnsafe(votes)

/** The API: the same for those who do not want a WebSocket. */
const Api = Layer.mergeAll(
  HttpRouter.add(
    "GET",
    "/api/polls/:poll",
    Effect.flatMap(pollOf, (poll) => Polls.useSync((polls) => answer(polls.votes(poll))))
  ),
  HttpRouter.add(
    "POST",
    "/api/polls/:poll/:choice",
    Effect.gen(function* () {
      const { choice = "", poll = "" } = yield* HttpRouter.params
      return answer(yield* Polls.use((polls) => polls.vote(poll, choice)))
    })
  )
)

const Files = HttpStaticServer.layer({ root: fileURLToPath(new URL("web-app", import.meta.url)) })

/** The application on a port of this machine; 0 takes a free one. */
export const app = (port: number) =>
  HttpRouter.serve(Layer.mergeAll(Live, Api, Files), { disableLogger: true }).pipe(
    Layer.provide([Polls.layer, PermessageDeflate.layer()]),
    Layer.provideMerge(WebSocketRoute.layerServer(createServer, { port, host: "127.0.0.1" }))
  )

if (import.meta.main) NodeRuntime.runMain(Layer.launch(app(8000)))
