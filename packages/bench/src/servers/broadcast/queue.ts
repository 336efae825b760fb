/** Ours, queue-driven: every connection subscribes to one topic, and publishes there what it gets. */
import * as Topics from "@effect-ws/topics/Topics"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { launch } from "../Launch.ts"

const Server = WebSocketServer.layerQueue({
  onOpen: (connection) => Effect.flatMap(Topics.Topics, (topics) => topics.subscribe(connection, "all")),
  onMessage: (_, message) => Effect.flatMap(Topics.Topics, (topics) => topics.publish("all", message))
})

launch(Server.pipe(Layer.provide(Topics.layer())))
