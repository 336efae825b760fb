import * as Message from "@effect-ws/protocol/Message"
import { assert, describe, it } from "@effect/vitest"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { ReceiveQueue } from "../src/internal/receive/ReceiveQueue.ts"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

const binary = (size: number): Message.Message => Message.binary(new Uint8Array(size))

describe("an inbox that never runs empty", () => {
  it("holds no message that was taken", async () => {
    const inbox = new ReceiveQueue()
    const taken: Array<WeakRef<object>> = []
    inbox.add([binary(1000)])
    for (let count = 0; count < 100; count++) {
      inbox.add([binary(1000)])
      taken.push(new WeakRef(inbox.takeMessage()!))
    }
    // A WeakRef keeps its target until the end of the turn that made it.
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    assert.strictEqual(taken.filter((reference) => reference.deref() !== undefined).length, 0)
    assert.isFalse(inbox.isEmpty)
  })

  it("keeps no place for a message that was taken, and the order", () => {
    const inbox = new ReceiveQueue()
    for (let count = 0; count < 100; count++) inbox.add([Message.text(String(count))])
    for (let count = 0; count < 10_000; count++) {
      inbox.add([Message.text(String(count + 100))])
      assert.strictEqual(inbox.takeMessage()?.data, String(count))
    }
    const held: unknown = Reflect.get(inbox, "held")
    assert.isTrue(Array.isArray(held) && held.length < 4000)
  })
})
