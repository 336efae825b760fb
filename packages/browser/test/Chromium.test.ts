/** The client in a real browser, against our own server. */
import * as FailureKind from "@effect-ws/client/FailureKind"
import type { Connection } from "@effect-ws/connection/Connection"
import * as ResumableServer from "@effect-ws/connection/ResumableServer"
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { bundle } from "@effect-ws/test-support/Bundle"
import * as Chromium from "@effect-ws/test-support/Chromium"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Schedule, Schema, Scope, Stream } from "effect"
import * as Net from "node:net"
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

class Browser extends Context.Service<Browser, { readonly open: Effect.Effect<Page, never, Scope.Scope> }>()(
  "Browser"
) {}

// One browser for all tests, and a page in a context of its own for each.
const layerBrowser = Layer.effect(
  Browser,
  Effect.gen(function* () {
    const { code } = yield* bundle(
      import.meta.dirname,
      `import { programs } from "./page/page.ts"
globalThis.programs = programs`
    )
    const browser = yield* Chromium.launch
    return {
      open: Effect.map(
        Effect.acquireRelease(
          Effect.promise(() => browser.newContext()),
          (context) => Effect.promise(() => context.close())
        ),
        (context) => context.newPage()
      ).pipe(
        Effect.flatMap((opening) =>
          Effect.promise(async () => {
            const page = await opening
            await page.addScriptTag({ content: code, type: "module" })
            await page.waitForFunction("globalThis.programs !== undefined")
            return page
          })
        )
      )
    }
  })
)

const call = <Name extends keyof Programs>(page: Page, name: Name, ...args: Parameters<Programs[Name]>) =>
  Effect.promise(() => page.evaluate(`programs.${name}(...${JSON.stringify(args)})`) as Promise<unknown>)

const seen = (page: Page, event: string) =>
  Effect.promise(() => page.waitForFunction(`globalThis.seen?.includes(${JSON.stringify(event)})`))

/** A server that answers the first bytes of each connection as it likes. */
const answering = (answer: (socket: Net.Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<Net.Server>((resume) => {
      const server = Net.createServer((socket) => {
        socket.on("error", () => {})
        socket.once("data", () => answer(socket))
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => void server.close())
  ).pipe(Effect.map((server) => `ws://127.0.0.1:${(server.address() as Net.AddressInfo).port}/`))

describe.skipIf(Chromium.isLeftOut)("Chromium with BrowserClient (left out where Chromium is missing)", () => {
  layer(layerBrowser, { excludeTestServices: true, timeout: 60_000 })((it) => {
    describe.each([
      ["WebSocket", false],
      ["WebSocketStream", true]
    ] as const)("over %s", { timeout: 60_000 }, (_, webSocketStream) => {
      const openPage = Effect.gen(function* () {
        const { open } = yield* Browser
        const page = yield* open
        const [hasStream] = yield* Effect.promise(() =>
          page.evaluate<[boolean]>(
            `[globalThis.webSocketStream = ${webSocketStream}, globalThis.WebSocketStream !== undefined].slice(1)`
          )
        )
        assert.isTrue(hasStream)
        return page
      })

      it.effect("talks, in text, bytes and values", () =>
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

      it.effect("tells closes apart, and sends its own", () =>
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

      it.effect("says that it could not connect, as much as a browser tells", () =>
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

      it.effect("sends and receives messages of 1 MiB", () =>
        Effect.gen(function* () {
          const [{ url }, page] = [yield* serve(), yield* openPage]
          assert.isTrue(yield* call(page, "large", url, 1 << 20))
        })
      )

      it.effect("waits with send for a server that does not read, and loses nothing", () =>
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

      it.effect("goes on after the server restarts", () =>
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

      // A page of Chromium crashes when a WebSocketStream is cut while it writes.
      if (!webSocketStream)
        it.effect("keeps a session over connections that are cut, each value once and in order", () =>
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

      it.effect(
        webSocketStream
          ? "makes a server wait for a page that does not read"
          : "closes with 4008 where a page does not read, since nothing can make the server wait",
        () =>
          Effect.gen(function* () {
            const count = 64
            let sent = 0
            const { url } = yield* serve((connection) =>
              Effect.gen(function* () {
                while (sent < count) {
                  yield* connection.send(new Uint8Array(1 << 20))
                  sent++
                }
                yield* connection.closed
              })
            )
            const page = yield* openPage
            const reading = yield* Effect.forkChild(call(page, "slow", url, count), { startImmediately: true })
            yield* Effect.repeat(
              Effect.sync(() => sent),
              { until: (sent) => sent > 4, schedule: Schedule.spaced("20 millis") }
            )
            yield* Effect.sleep("1 second")
            if (webSocketStream) assert.isBelow(sent, count)
            yield* Effect.promise(() => page.evaluate("globalThis.mayRead = true"))
            assert.strictEqual(yield* Fiber.join(reading), webSocketStream ? count << 20 : 4008)
          })
      )

      it.effect("beats, keeps a server that answers, and closes one that does not with 3008", () =>
        Effect.gen(function* () {
          const page = yield* openPage
          let beats = 0
          const { url } = yield* serve((connection) =>
            Stream.runForEach(connection.messages, (message) => {
              beats++
              return connection.request.path === "/silent" ? Effect.void : connection.send(message)
            })
          )
          assert.deepStrictEqual(yield* call(page, "beat", `${url}/silent`), [3008, 0])
          beats = 0
          const beating = yield* Effect.forkChild(call(page, "beat", url), { startImmediately: true })
          yield* Effect.repeat(
            Effect.sync(() => beats),
            { until: (beats) => beats >= 8, schedule: Schedule.spaced("20 millis") }
          )
          yield* Effect.promise(() => page.evaluate("globalThis.mayRead = true"))
          assert.deepStrictEqual(yield* Fiber.join(beating), [4000, 0])
        })
      )

      it.effect("connects again with Reconnect after the server restarts, and sends what was queued", () =>
        Effect.gen(function* () {
          const page = yield* openPage
          const first = yield* Scope.make()
          const { port, url } = yield* Scope.provide(serve(), first)
          const following = yield* Effect.forkChild(call(page, "reconnect", url, false), { startImmediately: true })
          yield* seen(page, "Open")
          yield* Scope.close(first, Exit.void)
          yield* seen(page, "Failed")
          yield* serve(talk, port)
          assert.deepStrictEqual(yield* Fiber.join(following), ["queued", "queued", ["first", "second"]])
          const events = yield* Effect.promise(() => page.evaluate<Array<string>>("seen"))
          assert.deepStrictEqual(events.slice(0, 4), ["Connecting", "Open", "Closed", "Connecting"])
          assert.deepStrictEqual(events.slice(-3), ["Open", "Closed", "Stopped"])
        })
      )

      it.effect("connects again with Reconnect as soon as the browser is online, whatever the Schedule", () =>
        Effect.gen(function* () {
          const page = yield* openPage
          const first = yield* Scope.make()
          const { port, url } = yield* Scope.provide(serve(), first)
          const following = yield* Effect.forkChild(call(page, "reconnect", url, true), { startImmediately: true })
          yield* seen(page, "Open")
          // The message is back before the network goes.
          yield* Effect.sleep("100 millis")
          yield* Effect.promise(() => page.context().setOffline(true))
          yield* Scope.close(first, Exit.void)
          yield* seen(page, "Closed")
          yield* serve(talk, port)
          yield* Effect.promise(() => page.context().setOffline(false))
          assert.deepStrictEqual(yield* Fiber.join(following), ["queued", "queued", ["first", "second"]])
        })
      )

      it.effect("is told the same of all refusals, and tries again after each", () =>
        Effect.gen(function* () {
          const page = yield* openPage
          const kinds = {
            Network: yield* answering((socket) => socket.destroy()),
            NotTls: (yield* answering((socket) => socket.end("HTTP/1.1 503 Unavailable\r\n\r\n"))).replace(
              "ws:",
              "wss:"
            ),
            Overloaded: yield* answering((socket) =>
              socket.end("HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n")
            ),
            Refused: yield* answering((socket) => socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")),
            NotWebSocket: yield* answering((socket) => socket.end("220 smtp.example ready\r\n")),
            Timeout: yield* answering(() => {}),
            InvalidOptions: "ftp://127.0.0.1/"
          } as const satisfies Partial<Record<FailureKind.FailureKind, string>>
          for (const [kind, url] of Object.entries(kinds)) {
            const { sees, transient } = FailureKind.kinds[kind as keyof typeof kinds].inBrowser
            const [reason, again] = (yield* call(page, "refused", url)) as [string, boolean]
            assert.include(sees, `\`${reason}\``, kind)
            assert.strictEqual(again, transient, kind)
          }
        })
      )
    })
  })
})
