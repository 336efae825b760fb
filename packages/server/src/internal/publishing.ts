/**
 * The machinery that sends one message to many connections, for the topics of `@effect-ws/topics`. It is not for
 * programs, and changes without notice.
 */
export { Dispatcher } from "./Dispatcher.ts"
export type { Audience } from "./Dispatcher.ts"
export { PublishJob } from "./PublishJob.ts"
export { mostInOneTurn, SliceScheduler } from "./SliceScheduler.ts"
export { Subscriber, SubscriberQueue, subscriberQueueOptions } from "./SubscriberQueue.ts"
export type { SubscriberQueueOptions } from "./SubscriberQueue.ts"
