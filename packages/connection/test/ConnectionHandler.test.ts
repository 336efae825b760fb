import * as CloseError from "@effect-ws/protocol/CloseError"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as ConnectionHandler from "../src/ConnectionHandler.ts"
import type { ConnectionImpl } from "../src/internal/ConnectionImpl.ts"
import { frame, open } from "./support/StubSocket.ts"
import type { StubSocket } from "./support/StubSocket.ts"

type Close = (connection: ConnectionImpl, exit: Exit.Exit<unknown, unknown>) => Effect.Effect<CloseInfo>

const withoutFiber: Close = (connection, exit) =>
  Effect.callback((resume) => {
    const wasTaken = ConnectionHandler.closeWithExitSync(connection, exit, (info) => resume(Effect.succeed(info)))
    if (!wasTaken) resume(Effect.die("it closes with a fiber only"))
  })

// What the peer has done when the program ends, and what it does afterwards.
const peers: Readonly<Record<string, readonly [(socket: StubSocket) => void, (socket: StubSocket) => void]>> = {
  "an open connection": [
    () => undefined,
    (socket) => {
      socket.receive(frame(0x88, Uint8Array.of(3, 232)))
      socket.end()
    }
  ],
  "a connection that the peer closes": [
    (socket) => socket.receive(frame(0x88, Uint8Array.of(3, 233))),
    (socket) => socket.end()
  ],
  "a connection whose stream has ended": [(socket) => socket.end(), () => undefined],
  "a connection that broke a rule": [(socket) => socket.receive(0xff, 0x80), (socket) => socket.end()]
}

const exits: Readonly<Record<string, Exit.Exit<unknown, unknown>>> = {
  "a return": Exit.void,
  "a typed close": Exit.fail(new CloseError.PolicyViolation({ reason: "no" })),
  "the end of the connection": Exit.fail(new CloseError.AbnormalClosure()),
  interruption: Exit.interrupt()
}

describe("closeWithExitSync", () => {
  const run = Effect.fnUntraced(function* (close: Close, peer: string, exit: Exit.Exit<unknown, unknown>) {
    const { connection, socket } = yield* open({ keepalive: false })
    const [before, after] = peers[peer]!
    before(socket)
    const fiber = yield* Effect.forkChild(close(connection, exit), { startImmediately: true })
    const early = fiber.pollUnsafe() !== undefined
    after(socket)
    const exited = fiber.pollUnsafe()
    assert.isDefined(exited)
    const { error, initiator, clean, failed } = (exited as Exit.Success<CloseInfo>).value
    return { early, error, initiator, clean, failed, written: Buffer.concat(socket.written).toString("hex") }
  })

  for (const peer of Object.keys(peers)) {
    for (const [name, exit] of Object.entries(exits)) {
      it.effect(`closes ${peer} after ${name} as closeWithExit does`, () =>
        Effect.gen(function* () {
          const expected = yield* run(ConnectionHandler.closeWithExit, peer, exit)
          assert.deepStrictEqual(yield* run(withoutFiber, peer, exit), expected)
        })
      )
    }
  }

  it.effect("leaves a failure that is logged to closeWithExit", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ keepalive: false })
      const done = (): void => assert.fail("it is not done")
      assert.isFalse(ConnectionHandler.closeWithExitSync(connection, Exit.die("a defect"), done))
      assert.deepStrictEqual(socket.opcodes, [])
    })
  )

  it.effect("calls back at once where the connection has ended", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ keepalive: false })
      socket.end()
      assert.isDefined(connection.closeInfo)
      let info: CloseInfo | undefined
      assert.isTrue(ConnectionHandler.closeWithExitSync(connection, Exit.void, (closeInfo) => (info = closeInfo)))
      assert.strictEqual(info?.error, connection.closeInfo?.error)
    })
  )
})
