/** The `WebSocket` that comes with the runtime, which in Node is that of undici. */
import { run } from "./Control.ts"
import { usesOf } from "./events.ts"

run(usesOf(globalThis.WebSocket))
