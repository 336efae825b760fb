/** The same `ws` client in a process that has loaded Effect: what a program written with Effect gets today. */
import "effect"
import "@effect/platform-node/NodeRuntime"
import "./ws.ts"
