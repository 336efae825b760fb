/** The client in a real browser, against our own server. */
import type { Connection } from "@effect-ws/connection/Connection"
import * as ResumableServer from "@effect-ws/connection/ResumableServer"
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { bundle } from "@effect-ws/test-support/Bundle"
import * as Chromium from "@effect-ws/test-support/Chromium"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Schedule, Schema, Scope, Stream } from "effect"
import type { Page } from "playwright-core"
import { Echo } from "./page/messages.ts"
import type { Programs } from "./page/page.ts"

const echo = (connection: Connection) => Stream.runForEach(connection.messages, (message) => connection.send(message))

/** What the server does, by path. */
const talk = (connection: Connection): Effect.Effect<unknown, unknown> => {
  switch (connection.request.path) {
    case "/typed":
      return TypedConnection.handler(Echo.server, (typed) => Stream.runForEach(typed.messages, typed.send.bind(typed)))(
        connection
      )
    case "/closes":
      return Effect.fail(new CloseError.TryAgainLater({ reason: "later, please" }))
    default:
      return echo(connection)
  }
}

const serve = Effect.fnUntraced(function* (
  handler: (connection: Connection) => Effect.Effect<unknown, unknown> = talk,
  port = 0
) {
  const services = yield* Layer.build(
    WebSocketServer.layer(handler, { subprotocols: ["echo"], origins: "any" }).pipe(
      Layer.provide(Tcp.layerServer({ host: "127.0.0.1", port }))
    )
  )
  const { address } = Context.get(services, WebSocketServer.WebSocketServer)
  assert(address._tag !== "UnixPathAddress")
  return { url: `ws://127.0.0.1:${address.port}`, port: address.port }
})

const openPage = Effect.gen(function* () {
  const { code } = yield* bundle(
    import.meta.dirname,
    `import { programs } from "./page/page.ts"
globalThis.programs = programs`
  )
  const browser = yield* Chromium.launch
  return yield* Effect.promise(async () => {
    const page = await browser.newPage()
    await page.addScriptTag({ content: code, type: "module" })
    await page.waitForFunction("globalThis.programs !== undefined")
    return page
  })
})

const call = <Name extends keyof Programs>(page: Page, name: Name, ...args: Parameters<Programs[Name]>) =>
  Effect.promise(() => page.evaluate(`programs.${name}(...${JSON.stringify(args)})`) as Promise<unknown>)

describe.skipIf(Chromium.isLeftOut)(
  "Chromium with BrowserClient (left out where Chromium is missing)",
  { timeout: 60_000 },
  () => {
    it.live("talks, in text, bytes and values", () =>
      Effect.gen(function* () {
        const [{ url }, page] = [yield* serve(), yield* openPage]
        assert.deepStrictEqual(yield* call(page, "echo", url), ["echo", "Grüße ✓", [0, 127, 255]])
        assert.deepStrictEqual(yield* call(page, "typed", `${url}/typed`), [
          "hello",
          0,
          "PolicyViolation",
          "the message does not match its schema at text"
        ])
      })
    )

    it.live("tells closes apart, and sends its own", () =>
      Effect.gen(function* () {
        const ends: Array<CloseError.CloseError> = []
        const server = yield* serve((connection) =>
          Effect.andThen(Effect.exit(talk(connection)), (exit) => {
            if (connection.request.path !== "/closes") {
              return Effect.map(connection.closed, ({ error }) => ends.push(error))
            }
            return exit
          })
        )
        const page = yield* openPage
        assert.deepStrictEqual(yield* call(page, "close", server.url), [
          "local",
          true,
          "ApplicationClose",
          4001,
          "that was all"
        ])
        assert.deepStrictEqual(yield* call(page, "refuse", server.url), ["InvalidPayload", 4007])
        assert.deepStrictEqual(yield* call(page, "closed", `${server.url}/closes`), [
          "remote",
          true,
          "TryAgainLater",
          1013,
          "later, please"
        ])
        assert.deepStrictEqual(
          ends.map(({ code, reason }) => [code, reason]),
          [
            [4001, "that was all"],
            [4007, "the message is not JSON"]
          ]
        )
      })
    )

    it.live("says that it could not connect, as much as a browser tells", () =>
      Effect.gen(function* () {
        const page = yield* openPage
        const { url } = yield* Effect.scoped(serve())
        assert.strictEqual(
          yield* call(page, "fail", `${url}/?secret`),
          `cannot connect to ${url}/: the connection failed, and the browser does not say why`
        )
        assert.match(String(yield* call(page, "fail", "ftp://127.0.0.1/")), /the URL or a subprotocol is invalid/)
      })
    )

    it.live("sends and receives messages of 1 MiB", () =>
      Effect.gen(function* () {
        const [{ url }, page] = [yield* serve(), yield* openPage]
        assert.isTrue(yield* call(page, "large", url, 1 << 20))
      })
    )

    it.live("waits with send for a server that does not read, and loses nothing", () =>
      Effect.gen(function* () {
        const count = 64
        const mayRead = yield* Deferred.make<void>()
        const { url } = yield* serve((connection) =>
          Effect.gen(function* () {
            yield* Deferred.await(mayRead)
            let bytes = 0
            yield* Stream.runForEach(Stream.take(connection.messages, count), ({ data }) =>
              Effect.sync(() => (bytes += data.length))
            )
            yield* connection.send(`${bytes} bytes`)
            yield* connection.closed
          })
        )
        const page = yield* openPage
        const flooding = yield* Effect.forkChild(call(page, "flood", url, count, 1 << 20), { startImmediately: true })
        const sent = Effect.promise(() => page.evaluate<number>("globalThis.floodSent ?? 0"))
        yield* Effect.repeat(sent, { until: (sent) => sent > 0, schedule: Schedule.spaced("20 millis") })
        // Whatever the system buffers, it is not all of it.
        yield* Effect.sleep("1 second")
        assert.isBelow(yield* sent, count)
        yield* Deferred.succeed(mayRead, undefined)
        const [most, said] = (yield* Fiber.join(flooding)) as [number, string]
        assert.isAtMost(most, 64 << 10)
        assert.strictEqual(said, `${count * (1 << 20)} bytes`)
      })
    )

    it.live("goes on after the server restarts", () =>
      Effect.gen(function* () {
        const page = yield* openPage
        const greeted = yield* Deferred.make<void>()
        const greet = (text: string) =>
          Effect.fnUntraced(function* (connection: Connection) {
            yield* connection.send(text)
            yield* connection.flushed
            yield* Deferred.succeed(greeted, undefined)
            yield* connection.closed
          })
        const first = yield* Scope.make()
        const { port, url } = yield* Scope.provide(serve(greet("first")), first)
        const resuming = yield* Effect.forkChild(call(page, "resume", url, 2), { startImmediately: true })
        yield* Deferred.await(greeted)
        yield* Scope.close(first, Exit.void)
        yield* serve(greet("second"), port)
        assert.deepStrictEqual(yield* Fiber.join(resuming), ["first", "second"])
      })
    )

    it.live("keeps a session over connections that are cut, each value once and in order", () =>
      Effect.gen(function* () {
        const page = yield* openPage
        const count = 40
        const received: Array<number> = []
        const connections: Array<Connection> = []
        const sessions = yield* ResumableServer.make({ receive: Schema.Int, send: Schema.String }, (session) =>
          Stream.runForEach(session.messages, (n) => {
            received.push(n)
            const cut = received.length % 10 === 5 ? connections.at(-1)!.abort() : Effect.void
            return Effect.andThen(cut, Effect.forkChild(Effect.ignore(session.send(`got ${n}`))))
          })
        )
        const { url } = yield* serve((connection) => {
          connections.push(connection)
          return sessions(connection)
        })
        const answers = yield* call(page, "session", url, count)
        const numbers = Array.from({ length: count }, (_, n) => n)
        assert.deepStrictEqual(
          answers,
          numbers.map((n) => `got ${n}`)
        )
        assert.deepStrictEqual(received, numbers)
        assert.isAtLeast(connections.length, 4)
      })
    )
  }
)
