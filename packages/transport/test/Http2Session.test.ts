import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Http2 from "node:http2"
import type { AddressInfo } from "node:net"
import { Dialer } from "../src/Dialer.ts"
import * as Http2Session from "../src/Http2Session.ts"
import * as Tcp from "../src/Tcp.ts"

/** A session with a server of Node, and the server's end of it. */
const open = Effect.gen(function* () {
  const sessions: Array<Http2.ServerHttp2Session> = []
  const server = yield* Effect.acquireRelease(
    Effect.callback<Http2.Http2Server>((resume) => {
      const server = Http2.createServer()
      server.on("session", (session) => void sessions.push(session))
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  const { port } = server.address() as AddressInfo
  const socket = yield* Dialer.use((dialer) => dialer.dial({ host: "127.0.0.1", port }))
  const session = yield* Http2Session.connect(yield* socket.reader, "the test's server")
  return { session, remote: sessions[0]! }
}).pipe(Effect.provide(Tcp.layerDialer()))

/** Waits until the client's end has closed and every listener of that has run. */
const closed = (session: Http2Session.Http2Session): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const node = Reflect.get(session, "session") as Http2.ClientHttp2Session
    const later = (): void => void setImmediate(() => resume(Effect.void))
    if (node.destroyed) later()
    else node.once("close", later)
  })

describe("onceClosed", () => {
  it.live("calls back once for GOAWAY and the close after it", () =>
    Effect.gen(function* () {
      const { remote, session } = yield* open
      let calls = 0
      const said = Effect.callback<void>((resume) =>
        session.onceClosed(() => {
          calls++
          resume(Effect.void)
        })
      )
      remote.goaway()
      yield* said
      remote.destroy()
      yield* closed(session)
      assert.strictEqual(calls, 1)
    })
  )

  it.live("calls back once for a close without GOAWAY", () =>
    Effect.gen(function* () {
      const { remote, session } = yield* open
      let calls = 0
      session.onceClosed(() => void calls++)
      remote.destroy()
      yield* closed(session)
      assert.strictEqual(calls, 1)
    })
  )
})
