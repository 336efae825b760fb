import * as Message from "@effect-ws/protocol/Message"
import { assert, describe, it } from "@effect/vitest"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { ReceiveQueue } from "../src/internal/receive/ReceiveQueue.ts"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

const binary = (size: number): Message.Message => Message.binary(new Uint8Array(size))

describe("a queue that never runs empty", () => {
  it("holds no message that was taken", async () => {
    const queue = new ReceiveQueue()
    const taken: Array<WeakRef<object>> = []
    queue.add([binary(1000)])
    for (let count = 0; count < 100; count++) {
      queue.add([binary(1000)])
      taken.push(new WeakRef(queue.takeMessage()!))
    }
    // A WeakRef keeps its target until the end of the turn that made it.
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    assert.strictEqual(taken.filter((reference) => reference.deref() !== undefined).length, 0)
    assert.isFalse(queue.isEmpty)
  })

  it("keeps no place for a message that was taken, and the order", () => {
    const queue = new ReceiveQueue()
    for (let count = 0; count < 100; count++) queue.add([Message.text(String(count))])
    for (let count = 0; count < 10_000; count++) {
      queue.add([Message.text(String(count + 100))])
      assert.strictEqual(queue.takeMessage()?.data, String(count))
    }
    const held: unknown = Reflect.get(queue, "held")
    assert.isTrue(Array.isArray(held) && held.length < 4000)
  })
})
