/** Ours, a fiber for each connection: every connection subscribes to one topic, and publishes there what it gets. */
import * as Topics from "@effect-ws/topics/Topics"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { launch } from "../Launch.ts"

const Server = WebSocketServer.layer((connection) =>
  Effect.flatMap(Topics.Topics, (topics) =>
    Effect.andThen(
      topics.subscribe(connection, "all"),
      Stream.runForEach(connection.messages, (message) => topics.publish("all", message))
    )
  )
)

launch(Server.pipe(Layer.provide(Topics.layer())))
