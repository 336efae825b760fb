import * as CloseError from "@effect-ws/protocol/CloseError"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fanout from "../src/Fanout.ts"
import { RecipientTypeId } from "../src/Recipient.ts"
import { open } from "./support/StubSocket.ts"

describe("Fanout.recipient", () => {
  it.effect("writes what was sent with one flush, encoded once for all connections", () =>
    Effect.gen(function* () {
      const one = yield* open()
      const two = yield* open()
      const message = PreparedMessage.make("hello")
      for (const { connection, socket } of [one, two]) {
        const recipient = Fanout.recipient(connection)
        assert.isUndefined(recipient.sendUnsafe(message))
        assert.isUndefined(recipient.sendUnsafe(message))
        assert.strictEqual(socket.written.length, 0)
        recipient.flushUnsafe()
        assert.deepStrictEqual(
          socket.written.map((bytes) => Buffer.from(bytes).toString("latin1")),
          ["\x81\x05hello\x81\x05hello"]
        )
      }
    })
  )

  it.effect("is not writable while the peer does not read, and tells when it is again", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ writeHighWaterMark: 1000 })
      const recipient = Fanout.recipient(connection)
      socket.accepts = false
      recipient.sendUnsafe(PreparedMessage.make(new Uint8Array(2000)))
      recipient.flushUnsafe()
      assert.isFalse(recipient.isWritable)
      let calls = 0
      recipient.onWritable(() => calls++)
      const forget = recipient.onWritable(() => assert.fail("was taken back"))
      forget()
      assert.strictEqual(calls, 0)
      socket.drain()
      assert.strictEqual(calls, 1)
      assert.isTrue(recipient.isWritable)
    })
  )

  it.effect("fails its connection with a close frame, and tells of the end", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      const recipient = Fanout.recipient(connection)
      let ends = 0
      recipient.onClosed(() => ends++)
      const forget = recipient.onClosed(() => assert.fail("was taken back"))
      forget()
      recipient.failUnsafe(new CloseError.TryAgainLater({ reason: "too slow" }))
      assert.deepStrictEqual(socket.opcodes, [8])
      assert.isFalse(recipient.canSend)
      // RFC 6455 7.1.7: this end closes the transport without waiting for the peer's close frame.
      assert.strictEqual(ends, 1)
      assert.isTrue(recipient.isClosed)
      assert.strictEqual(recipient.sendUnsafe(PreparedMessage.make("late"))?._tag, "TryAgainLater")
    })
  )

  it.effect("is what a wrapper passes on, so that it can stand for its connection", () =>
    Effect.gen(function* () {
      const { connection } = yield* open()
      const wrapper: Fanout.FanoutTarget = { [RecipientTypeId]: connection[RecipientTypeId] }
      assert.strictEqual(Fanout.recipient(wrapper), Fanout.recipient(connection))
    })
  )
})
