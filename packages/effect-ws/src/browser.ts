/**
 * The part of effect-ws that runs in a page: the client over the browser's own `WebSocket`, typed messages, topics, and
 * the types of a close. A module of Schemas that the server and the page share imports from here; it works in Node all
 * the same.
 *
 * @since 0.1.0
 */
export * from "@effect-ws/browser"
export * as InvalidMessage from "@effect-ws/connection/InvalidMessage"
export * as MessageCodec from "@effect-ws/connection/MessageCodec"
export * as ResumableClient from "@effect-ws/connection/ResumableClient"
export * as ResumableSession from "@effect-ws/connection/ResumableSession"
export * as TypedConnection from "@effect-ws/connection/TypedConnection"
export * as CloseCode from "@effect-ws/protocol/CloseCode"
export * as CloseError from "@effect-ws/protocol/CloseError"
export * as Message from "@effect-ws/protocol/Message"
export * as TopicClient from "@effect-ws/topics/BrowserTopicClient"
