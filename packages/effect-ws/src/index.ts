/**
 * The modules that most programs use. Every other module of the library is `effect-ws/NAME`, such as
 * `effect-ws/FrameParser`; `scripts/umbrella.ts` writes those.
 *
 * @since 0.1.0
 */

// Servers
export * as WebSocketServer from "@effect-ws/server/WebSocketServer"
export * as WebSocketRoute from "@effect-ws/server/WebSocketRoute"
export * as Handlers from "@effect-ws/server/Handlers"
export * as Auth from "@effect-ws/server/Auth"
export * as Accept from "@effect-ws/connection/Accept"
export * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"

// Clients
export * as Client from "@effect-ws/client/Client"
export * as Reconnect from "@effect-ws/client/Reconnect"

// Connections and messages
export * as Connection from "@effect-ws/connection/Connection"
export * as TypedConnection from "@effect-ws/connection/TypedConnection"
export * as Message from "@effect-ws/protocol/Message"
export * as CloseError from "@effect-ws/protocol/CloseError"
export * as Extensions from "@effect-ws/extensions/Extensions"
export * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
export * as Telemetry from "@effect-ws/connection/Telemetry"

// Topics
export * as Topics from "@effect-ws/topics/Topics"
export * as TopicLog from "@effect-ws/topics/TopicLog"

// Transports
export * as Dialer from "@effect-ws/transport/Dialer"
export * as Tcp from "@effect-ws/transport/Tcp"
export * as Tls from "@effect-ws/transport/Tls"
export * as Unix from "@effect-ws/transport/Unix"
export * as HttpUpgrade from "@effect-ws/transport/HttpUpgrade"
export * as Memory from "@effect-ws/transport/Memory"
