import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { messageEvent } from "../src/internal/WebSocketEvents.ts"

// Reads everything that a script can see of an event, but for the time at which it was made.
const look = (event: Event): Record<string, unknown> => {
  const seen: Record<string, unknown> = {}
  for (const name in event) if (name !== "timeStamp") seen[name] = (event as unknown as Record<string, unknown>)[name]
  return { ...seen, tag: Object.prototype.toString.call(event), constructor: event.constructor }
}

const origins = Schema.Literals(["ws://localhost:8080", "wss://xn--e1afmkfd.example", "null"])

describe("messageEvent", () => {
  it.prop("equals the event of the platform's constructor", [Schema.String, origins], ([data, origin]) => {
    assert.deepStrictEqual(look(messageEvent(data, origin)), look(new MessageEvent("message", { data, origin })))
  })

  it("is a MessageEvent while it is dispatched, too", () => {
    const target = new EventTarget()
    const data = new ArrayBuffer(1)
    const seen: Array<unknown> = []
    target.addEventListener("message", (event) => {
      seen.push(event instanceof MessageEvent, (event as MessageEvent).data, event.target === target)
    })
    target.dispatchEvent(messageEvent(data, "ws://localhost"))
    assert.deepStrictEqual(seen, [true, data, true])
  })
})
