/** What a viewer of `serve --inspect` may do: everything, or with a flag nothing. */
import * as Client from "@effect-ws/client/Client"
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import { InspectorProtocol } from "@effect-ws/inspector/InspectorProtocol"
import type { FromInspector } from "@effect-ws/inspector/InspectorProtocol"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ServeProcess from "../support/ServeProcess.ts"

/** Starts a server, a client, and a viewer that is told of the client. */
const start = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const { address, inspector } = yield* ServeProcess.serveInspected("--port", "0", "--inspect", "0", ...args)
  const client = yield* Client.connect(address)
  const viewer = yield* TypedConnection.make(
    yield* Client.connect(`${inspector.replace("http:", "ws:")}socket`),
    InspectorProtocol.client
  )
  const next = <K extends FromInspector["_tag"]>(tag: K) =>
    Effect.map(
      Effect.repeat(viewer.receive, { until: (told) => told._tag === tag }),
      (told) => told as Extract<FromInspector, { readonly _tag: K }>
    )
  const { allowClose, allowDrain } = yield* next("Hello")
  const { connections } = yield* next("Opened")
  return { client, viewer, next, offers: [allowClose, allowDrain], id: connections[0]!.id }
})

describe("serve --inspect", { timeout: 30_000 }, () => {
  it.live("lets viewers close connections, and drain the server", () =>
    Effect.gen(function* () {
      const { client, id, offers, viewer } = yield* start()
      assert.deepStrictEqual(offers, [true, true])
      yield* viewer.send({ _tag: "Close", id, code: 4001, reason: "by a viewer" })
      assert.include((yield* client.closed).error, { code: 4001, reason: "by a viewer" })
    }).pipe(Effect.provide(Client.layerDirect()))
  )

  it.live("with --inspect-read-only denies both, and its page is not told to offer them", () =>
    Effect.gen(function* () {
      const { client, id, next, offers, viewer } = yield* start("--inspect-read-only")
      assert.deepStrictEqual(offers, [false, false])
      yield* viewer.send({ _tag: "Close", id, code: 4001, reason: "by a viewer" })
      assert.strictEqual((yield* next("Denied")).command, "Close")
      yield* viewer.send({ _tag: "Drain" })
      assert.strictEqual((yield* next("Denied")).command, "Drain")
      yield* client.send("still here")
      assert.strictEqual((yield* client.receive).data, "still here")
    }).pipe(Effect.provide(Client.layerDirect()))
  )
})
