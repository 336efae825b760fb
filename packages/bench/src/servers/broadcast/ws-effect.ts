/** The same `ws` server in a process that has loaded Effect. */
import "effect"
import "@effect/platform-node/NodeRuntime"
import "./ws.ts"
