import type { DialAddress, DialOptions } from "@effect-ws/transport/Dialer"
import { formatAddress } from "@effect-ws/transport/Dialer"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Scope } from "effect"
import { Socket } from "effect/socket"
import { TestClock } from "effect/testing"
import * as HappyEyeballs from "../src/HappyEyeballs.ts"

type Outcome = { readonly after: number; readonly fails?: true } | "never"

/** A dialer whose addresses answer as told; records what happens to each. */
const network = (outcomes: Readonly<Record<string, Outcome>>) => {
  const log: Array<string> = []
  const options: Array<DialOptions | undefined> = []
  const note = (text: string) => Effect.map(Clock.currentTimeMillis, (now) => void log.push(`${now} ${text}`))
  const dial = (address: DialAddress, dialOptions?: DialOptions) =>
    Effect.sync(() => {
      options.push(dialOptions)
      const name = formatAddress(address)
      const outcome = outcomes[name] ?? { after: 0, fails: true as const }
      return Socket.make({
        reader: Effect.gen(function* () {
          yield* note(`${name} dialled`)
          yield* Effect.addFinalizer(() => note(`${name} closed`))
          if (outcome === "never") return yield* Effect.never
          yield* Effect.sleep(outcome.after)
          if (outcome.fails) {
            const cause = new Error(`connect ECONNREFUSED ${name}`)
            return yield* new Socket.SocketError({ reason: new Socket.SocketReadError({ cause }) })
          }
          yield* note(`${name} open`)
          return { pull: Effect.never, upgrade: () => Effect.void }
        }),
        writer: Effect.succeed({ write: () => note(`${name} written`), writeAll: () => Effect.void })
      })
    })
  return { log, options, dialer: { dial } }
}

const lookup = (addresses: ReadonlyArray<string>) => () => Effect.succeed(addresses)

const open = Effect.fnUntraced(function* (
  { dialer }: ReturnType<typeof network>,
  options: HappyEyeballs.Options,
  millis: number
) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
  const socket = yield* HappyEyeballs.make(dialer, options).dial({ host: "host", port: 80 })
  const fiber = yield* Effect.forkChild(Effect.exit(Scope.provide(socket.reader, scope)))
  yield* TestClock.adjust(millis)
  const exit = fiber.pollUnsafe()
  return { socket, scope, fiber, exit: exit !== undefined && Exit.isSuccess(exit) ? exit.value : undefined }
})

describe("HappyEyeballs", () => {
  it.effect("lets the next address join after the delay, keeps the first to answer and drops the others", () =>
    Effect.gen(function* () {
      const net = network({ "1.1.1.1:80": { after: 600 }, "[::2]:80": { after: 100 }, "[::1]:80": "never" })
      const { exit, scope, socket } = yield* open(net, { lookup: lookup(["::1", "::2", "1.1.1.1"]) }, 650)
      assert.isTrue(exit !== undefined && Exit.isSuccess(exit))
      const writer = yield* Scope.provide(socket.writer, scope)
      yield* writer.write("x")
      assert.deepStrictEqual(
        net.log,
        [
          "0 [::1]:80 dialled",
          "250 1.1.1.1:80 dialled",
          "500 [::2]:80 dialled",
          "600 [::2]:80 open",
          "600 1.1.1.1:80 closed",
          "600 [::1]:80 closed",
          "650 [::2]:80 written"
        ].toSorted(byTime(net.log))
      )
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(net.log.at(-1), "650 [::2]:80 closed")
    })
  )

  it.effect("lets the next address join at once when the one before fails", () =>
    Effect.gen(function* () {
      const net = network({ "1.1.1.1:80": { after: 30, fails: true }, "2.2.2.2:80": { after: 20 } })
      const { exit } = yield* open(net, { lookup: lookup(["1.1.1.1", "2.2.2.2"]) }, 50)
      assert.isTrue(exit !== undefined && Exit.isSuccess(exit))
      assert.include(net.log, "30 2.2.2.2:80 dialled")
    })
  )

  it.effect("says what was wrong with each address", () =>
    Effect.gen(function* () {
      const net = network({})
      const { exit } = yield* open(net, { lookup: lookup(["1.1.1.1", "::1"]) }, 0)
      assert.isTrue(exit !== undefined && Exit.isFailure(exit))
      const error = yield* Effect.flip(exit as Exit.Exit<never, Socket.SocketError>)
      assert.strictEqual(
        error.message,
        "cannot connect to host:80: connect ECONNREFUSED 1.1.1.1:80; connect ECONNREFUSED [::1]:80"
      )
    })
  )

  it.effect("gives up when the time for all of them is over, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const net = network({ "1.1.1.1:80": "never", "2.2.2.2:80": "never" })
      const options = { lookup: lookup(["1.1.1.1", "2.2.2.2"]), connectTimeout: "1 second" } as const
      const { exit } = yield* open(net, options, 1000)
      assert.isTrue(exit !== undefined && Exit.isFailure(exit))
      assert.sameMembers(net.log.slice(-2), ["1000 1.1.1.1:80 closed", "1000 2.2.2.2:80 closed"])
    })
  )

  it.effect("leaves nothing behind when it is interrupted", () =>
    Effect.gen(function* () {
      const net = network({ "1.1.1.1:80": "never", "2.2.2.2:80": "never" })
      const { fiber } = yield* open(net, { lookup: lookup(["1.1.1.1", "2.2.2.2"]) }, 300)
      yield* Fiber.interrupt(fiber)
      assert.sameMembers(net.log.slice(-2), ["300 1.1.1.1:80 closed", "300 2.2.2.2:80 closed"])
    })
  )

  it.effect("fails where the name has no address, or the lookup fails", () =>
    Effect.gen(function* () {
      for (const [options, why] of [
        [{ lookup: lookup([]) }, /no address/],
        [{ lookup: () => Effect.fail(new Error("ENOTFOUND")) }, /host:80: ENOTFOUND/]
      ] as const) {
        const { exit } = yield* open(network({}), options, 0)
        assert.match((yield* Effect.flip(exit as Exit.Exit<never, Socket.SocketError>)).message, why)
      }
    })
  )

  it.effect("looks up neither addresses nor paths", () =>
    Effect.gen(function* () {
      const net = network({ "1.1.1.1:80": { after: 0 }, "[::1]:80": { after: 0 }, "/run/a": { after: 0 } })
      const dialer = HappyEyeballs.make(net.dialer, { lookup: () => Effect.die("looked up") })
      for (const address of [{ host: "1.1.1.1", port: 80 }, { host: "::1", port: 80 }, { path: "/run/a" }]) {
        const socket = yield* dialer.dial(address)
        yield* Effect.forkScoped(socket.reader)
        yield* TestClock.adjust(0)
      }
      assert.deepStrictEqual(
        net.log.filter((line) => line.endsWith("open")),
        ["0 1.1.1.1:80 open", "0 [::1]:80 open", "0 /run/a open"]
      )
    })
  )

  it("takes the families in turn, and at most as many addresses as it is told", () => {
    assert.deepStrictEqual(HappyEyeballs.interleave(["::1", "::2", "::3", "1.1.1.1"]), ["::1", "1.1.1.1", "::2", "::3"])
    assert.deepStrictEqual(HappyEyeballs.interleave(["1.1.1.1", "::1"]), ["1.1.1.1", "::1"])
    assert.deepStrictEqual(HappyEyeballs.interleave([]), [])
  })

  it.live("asks the system", () =>
    Effect.gen(function* () {
      const addresses = yield* HappyEyeballs.systemLookup("localhost")
      assert.isTrue(addresses.includes("127.0.0.1") || addresses.includes("::1"))
    })
  )
})

/** Lines of one moment in the order in which they happened. */
const byTime =
  (log: ReadonlyArray<string>) =>
  (a: string, b: string): number =>
    log.indexOf(a) - log.indexOf(b)
