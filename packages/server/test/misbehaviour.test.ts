/**
 * Handlers that fail, die, hang or are interrupted, in every callback and on every kind of server: the close that the
 * client sees, what is logged, that `onClose` comes once, that nothing is left in the list of connections, that the
 * connection's Scope is closed, and that others notice nothing. In memory, under a clock that only the test moves.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { Dialer } from "@effect-ws/transport/Dialer"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, References, Scope, Stream } from "effect"
import type { SocketServer } from "effect/socket"
import { TestClock } from "effect/testing"
import type { Handlers, Program } from "../src/Handlers.ts"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import { captureLogs, connect, receiveText } from "@effect-ws/test-peers/Programs"
import type { Entry } from "@effect-ws/test-peers/Programs"

type Network = SocketServer.SocketServer | Dialer
type Scoped = Handlers<unknown, Scope.Scope>

const pass = (seconds: number): Effect.Effect<void> =>
  Effect.forEach(Array.from({ length: seconds * 4 }), () => Effect.andThen(TestClock.adjust("250 millis"), quiet), {
    discard: true
  })

const secret = new Error("a secret")

/** What a handler can do wrong. */
const deeds = {
  "fails with a typed close": () => Effect.fail(new CloseError.PolicyViolation({ reason: "no bots" })),
  "fails otherwise": () => Effect.fail(secret),
  dies: () => Effect.die(secret),
  throws: (): Effect.Effect<never> => {
    throw secret
  },
  "is interrupted": () => Effect.interrupt,
  hangs: () => Effect.never
} satisfies Readonly<Record<string, () => Effect.Effect<unknown, unknown>>>

type Deed = keyof typeof deeds

const expectedCode: Readonly<Record<Deed, number>> = {
  "fails with a typed close": 1008,
  "fails otherwise": 1011,
  dies: 1011,
  throws: 1011,
  "is interrupted": 1001,
  // The client closes in the end.
  hangs: 4000
}

const isLogged = (deed: Deed): boolean => deed === "fails otherwise" || deed === "dies" || deed === "throws"

interface Heard {
  closes: number
  errors: number
  finalized: number
}

const servers: ReadonlyArray<{
  readonly name: string
  readonly layer: (
    program: Program<unknown, Scope.Scope>,
    options: WebSocketServer.ServerOptions
  ) => Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer>
}> = [
  { name: "fiber", layer: WebSocketServer.layer },
  { name: "queue", layer: (program, options) => WebSocketServer.layerQueue(program as Scoped, options) },
  {
    name: "queue with two workers and slices of one",
    layer: (program, options) =>
      WebSocketServer.layerQueue(program as Scoped, { ...options, workers: 2, maxEventsPerTurn: 1 })
  }
]

const options: WebSocketServer.ServerOptions = {
  keepalive: false,
  handlerTimeoutAfterClose: "30 seconds",
  drainTimeout: "2 seconds"
}

/** A server, the connection whose program misbehaves, one whose does not, and what is to be looked at. */
const stage = Effect.fnUntraced(function* (
  server: (typeof servers)[number],
  program: (heard: Heard) => Program<unknown, Scope.Scope>
) {
  const logs: Array<Entry> = []
  const heard: Heard = { closes: 0, errors: 0, finalized: 0 }
  const scope = yield* Scope.make()
  const context = yield* Effect.context<Network>()
  const live = yield* server
    .layer(program(heard), options)
    .pipe(
      Layer.provide(Layer.succeedContext(context)),
      Layer.provide(captureLogs(logs)),
      (layer) => Layer.buildWithScope(layer, scope),
      Effect.map(Context.get(WebSocketServer.WebSocketServer))
    )
  const other = yield* connect(live, { keepalive: false, target: "/other" })
  const client = yield* connect(live, { keepalive: false, target: "/bad" })
  // A client that does not read its messages leaves a close unanswered for a while.
  yield* Effect.forkScoped(Effect.ignore(Stream.runDrain(client.messages)))
  yield* quiet
  const stop = Effect.gen(function* () {
    const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
    yield* pass(4)
    assert.isDefined(closing.pollUnsafe(), "the server does not stop")
  })
  const left = Effect.map(live.connections, (connections) => connections.map(({ request }) => request.path))
  const noted = (level: string) => logs.filter((entry) => entry.level === level)
  return { heard, other, client, stop, left, noted }
})

type Stage = Effect.Success<ReturnType<typeof stage>>

/** What must be so when the connection is over, whatever was done on it. */
const checkEnd = Effect.fnUntraced(function* (scene: Stage, expected: { readonly code: number }) {
  const { client, heard, left, other, stop } = scene
  const { error } = yield* client.closed
  assert.strictEqual(error.code, expected.code)
  // Our own reasons say nothing of the cause.
  assert.notInclude(error.reason, "secret")
  yield* quiet
  assert.deepStrictEqual(yield* left, ["/other"])
  assert.strictEqual(heard.closes, 1)
  assert.strictEqual(heard.finalized, 1)
  yield* other.send("still here")
  assert.strictEqual(yield* receiveText(other), "still here")
  yield* stop
  assert.strictEqual(heard.closes, 2)
  assert.strictEqual(heard.finalized, 2)
  assert.deepStrictEqual(yield* left, [])
})

/** Ends a connection whose handler hangs, as a client would that has had enough. */
const giveUp = Effect.fnUntraced(function* ({ client, heard, noted }: Stage) {
  yield* Effect.forkChild(client.close(4000, "enough"), { startImmediately: true })
  yield* pass(2)
  assert.deepStrictEqual((yield* client.closed).sent?.code, 4000)
  assert.strictEqual(heard.finalized, 0)
  yield* pass(28)
  assert.strictEqual(heard.finalized, 0)
  assert.deepStrictEqual(noted("Warn"), [])
  yield* pass(10)
  assert.deepStrictEqual(
    noted("Warn").map(({ message }) => message),
    ["Interrupting a handler that still runs after handlerTimeoutAfterClose"]
  )
})

const callbacks = ["onOpen", "onMessage", "onPing", "onPong", "onSent"] as const

/** Handlers of which one does the deed, on the connections to `/bad`. */
const misbehaving =
  (where: keyof Scoped, deed: Deed, also?: { readonly where: keyof Scoped; readonly deed: Deed }) =>
  (heard: Heard): Scoped => {
    const act = (name: keyof Scoped, connection: Connection): Effect.Effect<unknown, unknown> => {
      if (connection.request.path !== "/bad") return Effect.void
      return name === where ? deeds[deed]() : name === also?.where ? deeds[also.deed]() : Effect.void
    }
    return {
      onOpen: (connection) =>
        Effect.andThen(
          Effect.addFinalizer(() => Effect.sync(() => void heard.finalized++)),
          Effect.suspend(() => act("onOpen", connection))
        ),
      onMessage: (connection, message) => {
        const acting = act("onMessage", connection)
        return Effect.andThen(acting, connection.send(message))
      },
      onPing: (connection) => act("onPing", connection),
      onPong: (connection) => act("onPong", connection),
      onSent: (connection) => act("onSent", connection),
      onError: (connection) => {
        heard.errors++
        return act("onError", connection)
      },
      onClose: (connection) => {
        heard.closes++
        return act("onClose", connection)
      }
    }
  }

/** Makes the client do what has a handler called. */
const provoke = (client: Connection, callback: (typeof callbacks)[number]): Effect.Effect<unknown, unknown> => {
  switch (callback) {
    case "onOpen":
      return Effect.void
    case "onPing":
      return Effect.forkChild(Effect.ignore(client.ping()))
    case "onPong":
      return client.pong()
    default:
      return client.send("hello")
  }
}

for (const server of servers) {
  for (const callback of callbacks) {
    describe(`${callback} on the ${server.name} server`, () => {
      for (const deed of Object.keys(deeds) as ReadonlyArray<Deed>) {
        it.effect(`that ${deed} ends its connection with ${expectedCode[deed]}`, () =>
          Effect.gen(function* () {
            const scene = yield* stage(server, misbehaving(callback, deed))
            yield* Effect.ignore(provoke(scene.client, callback))
            yield* quiet
            if (deed === "hangs") yield* giveUp(scene)
            yield* checkEnd(scene, { code: expectedCode[deed] })
            const errors = scene.noted("Error")
            assert.strictEqual(errors.length, isLogged(deed) ? 1 : 0)
            if (isLogged(deed)) assert.include(Cause.pretty(errors[0]!.cause), "a secret")
            // It hears of failures, and neither of interruption nor of ends that are in order.
            const isFailure = deed !== "hangs" && deed !== "is interrupted"
            assert.strictEqual(scene.heard.errors, isFailure ? 1 : 0)
          }).pipe(Effect.provide(network))
        )
      }
    })
  }

  describe(`onError on the ${server.name} server`, () => {
    for (const deed of Object.keys(deeds) as ReadonlyArray<Deed>) {
      it.effect(`that ${deed} changes nothing of how the connection ends`, () =>
        Effect.gen(function* () {
          const cause = "fails with a typed close"
          const scene = yield* stage(server, misbehaving("onMessage", cause, { where: "onError", deed }))
          yield* scene.client.send("hello")
          yield* quiet
          // What it says, if anything, may go before the close.
          if (deed === "hangs") yield* pass(31)
          yield* checkEnd(scene, { code: 1008 })
          assert.strictEqual(scene.heard.errors, 1)
          const messages = scene.noted("Error").map(({ message }) => message)
          if (deed === "hangs") {
            assert.deepStrictEqual(messages, [
              "The handler onError was interrupted: it ran longer than handlerTimeoutAfterClose"
            ])
          } else assert.deepStrictEqual(messages, ["The handler onError failed"])
        }).pipe(Effect.provide(network))
      )
    }
  })

  describe(`onClose on the ${server.name} server`, () => {
    for (const deed of Object.keys(deeds) as ReadonlyArray<Deed>) {
      it.effect(`that ${deed} is called once, and nothing is left`, () =>
        Effect.gen(function* () {
          const scene = yield* stage(server, misbehaving("onClose", deed))
          yield* Effect.forkChild(scene.client.close(4000), { startImmediately: true })
          yield* quiet
          if (deed === "hangs") yield* pass(38)
          yield* checkEnd(scene, { code: 4000 })
          assert.deepStrictEqual(
            scene.noted("Error").map(({ message }) => message),
            deed === "hangs" ? [] : ["The handler onClose failed"]
          )
          assert.strictEqual(scene.noted("Warn").length, deed === "hangs" ? 1 : 0)
        }).pipe(Effect.provide(network))
      )
    }
  })

  describe(`a ${server.name} server that stops`, () => {
    for (const callback of ["onOpen", "onMessage", "onClose"] as const) {
      it.effect(`while ${callback} hangs interrupts it, within drainTimeout and half as much again`, () =>
        Effect.gen(function* () {
          const scene = yield* stage(server, misbehaving(callback, "hangs"))
          if (callback === "onMessage") yield* scene.client.send("hello")
          yield* quiet
          yield* scene.stop
          assert.deepStrictEqual([scene.heard.closes, scene.heard.finalized], [2, 2])
          assert.deepStrictEqual(yield* scene.left, [])
          assert.strictEqual((yield* scene.other.closed).received?.code, 1001)
        }).pipe(Effect.provide(network))
      )
    }
  })
}

describe("the direct style", () => {
  for (const when of ["at once", "after a message", "in the end"] as const) {
    for (const deed of Object.keys(deeds) as ReadonlyArray<Deed>) {
      it.effect(`that ${deed} ${when}`, () =>
        Effect.gen(function* () {
          const scene = yield* stage(servers[0]!, (heard) => (connection) => {
            const act = (now: typeof when): Effect.Effect<unknown, unknown> =>
              Effect.suspend(() => (now === when && connection.request.path === "/bad" ? deeds[deed]() : Effect.void))
            const echo = Stream.runForEach(connection.messages, (message) =>
              Effect.andThen(connection.send(message), act("after a message"))
            )
            return Effect.addFinalizer(() => Effect.sync(() => void heard.finalized++)).pipe(
              Effect.andThen(act("at once")),
              Effect.andThen(when === "in the end" ? Effect.ignore(echo) : echo),
              Effect.andThen(act("in the end")),
              Effect.ensuring(Effect.sync(() => void heard.closes++))
            )
          })
          yield* Effect.ignore(scene.client.send("hello"))
          yield* quiet
          if (when === "in the end") yield* Effect.forkChild(scene.client.close(4000), { startImmediately: true })
          yield* quiet
          if (deed === "hangs") yield* when === "in the end" ? pass(40) : giveUp(scene)
          // What is done when the close is there already changes nothing of it.
          yield* checkEnd(scene, { code: when === "in the end" ? 4000 : expectedCode[deed] })
          assert.strictEqual(scene.noted("Error").length, isLogged(deed) ? 1 : 0)
        }).pipe(Effect.provide(network))
      )
    }
  }
})

describe("what a handler leaves unhandled", () => {
  for (const level of ["Debug", undefined] as const) {
    it.effect(
      level === undefined ? "is not logged unless that is asked" : `is logged as ${level} where that is asked`,
      () =>
        Effect.gen(function* () {
          for (const callback of ["onMessage", "onClose"] as const) {
            const scene = yield* stage(servers[0]!, misbehaving(callback, "dies"))
            yield* Effect.ignore(provoke(scene.client, "onMessage"))
            yield* quiet
            yield* Effect.forkChild(scene.client.close(4000), { startImmediately: true })
            yield* quiet
            yield* checkEnd(scene, { code: callback === "onClose" ? 4000 : 1011 })
            assert.strictEqual(scene.noted("Error").length, 0)
            const entries = scene.noted("Debug").filter(({ cause }) => Cause.pretty(cause).includes("a secret"))
            assert.strictEqual(entries.length, level === undefined ? 0 : 1)
          }
        }).pipe(
          Effect.provide(network),
          Effect.provideService(References.UnhandledLogLevel, level),
          Effect.provideService(References.MinimumLogLevel, "Debug")
        )
    )
  }
})
