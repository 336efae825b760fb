/**
 * permessage-deflate between the Python package websockets and us, in both directions: what is agreed on, what arrives,
 * and how many bytes are on the wire.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import type { Scope } from "effect"
import { Client, Message, PermessageDeflate } from "effect-ws"
import { spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as Program from "../src/Program.ts"
import * as Subject from "../src/Subject.ts"
import * as CountingProxy from "./CountingProxy.ts"

/** A Python with the package websockets; `.ci/run` installs one. */
const python = process.env["EFFECT_WS_PYTHON"] ?? "python3"
const isMissing = spawnSync(python, ["-c", "import websockets.sync.server"]).status !== 0
const script = (name: string): string => `${import.meta.dirname}/python/${name}.py`

/** The arguments of the extension's constructors in Python. */
interface Params {
  readonly server_no_context_takeover: boolean
  readonly client_no_context_takeover: boolean
  readonly server_max_window_bits: number | null
  readonly client_max_window_bits: number | true | null
}

const combine = (
  serverBits: ReadonlyArray<number | null>,
  clientBits: ReadonlyArray<number | true | null>
): ReadonlyArray<Params> =>
  [false, true].flatMap((server_no_context_takeover) =>
    [false, true].flatMap((client_no_context_takeover) =>
      serverBits.flatMap((server_max_window_bits) =>
        clientBits.map((client_max_window_bits) => ({
          server_no_context_takeover,
          client_no_context_takeover,
          server_max_window_bits,
          client_max_window_bits
        }))
      )
    )
  )

/** Renders what an answer has to be. */
const answer = (params: Params): ReadonlyArray<string> => [
  [
    "permessage-deflate",
    ...(typeof params.client_max_window_bits === "number"
      ? [`client_max_window_bits=${params.client_max_window_bits}`]
      : []),
    ...(params.client_no_context_takeover ? ["client_no_context_takeover"] : []),
    ...(params.server_max_window_bits === null ? [] : [`server_max_window_bits=${params.server_max_window_bits}`]),
    ...(params.server_no_context_takeover ? ["server_no_context_takeover"] : [])
  ].join("; ")
]

const Line = Schema.fromJsonString(
  Schema.Struct({ same: Schema.Boolean, plain: Schema.Number, closed: Schema.NullOr(Schema.Number) })
)

describe.skipIf(isMissing && process.env["CI"] === undefined)(
  "python websockets (left out where neither python3 nor EFFECT_WS_PYTHON has it)",
  { timeout: 120_000 },
  () => {
    for (const variant of ["fiber", "queue"] as const) {
      it.live(`its client and our ${variant} server`, () =>
        Effect.gen(function* () {
          const port = Number((yield* Subject.start(variant)).split(":")[1])
          const proxy = yield* CountingProxy.start(port)
          // websockets cannot compress with a window of 2^8, but it can read what we compress so.
          const combinations = combine([null, 8, 9, 12, 15], [null, true, 9, 12, 15])
          const { exitCode, output } = yield* Program.run(
            python,
            [script("client"), `ws://127.0.0.1:${proxy.port}/`, JSON.stringify(combinations)],
            "90 seconds"
          )
          assert.strictEqual(exitCode, 0, output)
          const lines = output.trim().split("\n")
          assert.strictEqual(lines.length, combinations.length)
          for (const [index, params] of combinations.entries()) {
            const { closed, plain, same } = yield* Schema.decodeEffect(Line)(lines[index]!)
            const { request, response } = proxy.connections[index]!
            assert.deepStrictEqual([same, closed], [true, 1000], JSON.stringify(params))
            assert.deepStrictEqual(CountingProxy.extensionsIn(response), answer(params))
            for (const { bytes } of [request, response]) assert.isBelow(bytes, plain / 3)
          }
          const down = (params: Partial<Params>): number => {
            const index = combinations.findIndex((each) =>
              Object.entries(params).every(([k, v]) => Reflect.get(each, k) === v)
            )
            return proxy.connections[index]!.response.bytes
          }
          // The narrower the window, and where it is not kept, the more bytes.
          const wide = down({ server_max_window_bits: 15 })
          assert.isAbove(down({ server_max_window_bits: 8 }), wide * 1.2)
          assert.isAbove(down({ server_max_window_bits: 15, server_no_context_takeover: true }), wide * 1.05)
        }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
      )
    }

    // Each way: what they are told, what we are told, and what both must agree on.
    const nothing = { server_no_context_takeover: false, client_no_context_takeover: false }
    const theirDefaults: Params = { ...nothing, server_max_window_bits: null, client_max_window_bits: null }
    const weAsk = combine([null, 9, 12], [null, 8, 9, 12]).map((params) => [theirDefaults, params, params] as const)
    const theyNarrow = combine([null, 9, 12, 15], [null, 8, 9, 12, 15]).map(
      (params) => [params, theirDefaults, params] as const
    )

    it.live("our client and its server", () =>
      Effect.gen(function* () {
        const cases = [...weAsk, ...theyNarrow]
        const ports = yield* serve(cases.map(([theirs]) => theirs))
        for (const [index, [, ours, agreed]] of cases.entries()) {
          const proxy = yield* CountingProxy.start(ports[index]!)
          const { closeInfo, extensions } = yield* Effect.scoped(exchange(proxy.port, ours))
          const { request, response } = proxy.connections[0]!
          assert.deepStrictEqual(CountingProxy.extensionsIn(response), answer(agreed))
          assert.deepStrictEqual(extensions, ["permessage-deflate"])
          assert.deepStrictEqual([closeInfo.clean, closeInfo.received?.code], [true, 1000])
          for (const { bytes } of [request, response]) assert.isBelow(bytes, plainBytes / 3)
        }
      }).pipe(Effect.scoped, Effect.provide(Client.layerDirect()))
    )
  }
)

const users = Array.from({ length: 60 }, (_, id) => ({ id, name: `user ${id * 7919}`, tags: ["red", "green"] }))
const messages = [
  Message.text(JSON.stringify(users)),
  Message.text("short"),
  Message.text(JSON.stringify(users)),
  Message.binary(new Uint8Array(randomBytes(3000))),
  Message.text(JSON.stringify(Array.from({ length: 40 }, () => users))),
  Message.text(""),
  Message.binary(new Uint8Array(0))
]
const plainBytes = messages.reduce((sum, { data }) => sum + data.length, 0)

/** Sends every message, whole and in fragments, and checks its echo. */
const exchange = Effect.fnUntraced(function* (port: number, params: Params) {
  const bits = (value: number | true | null): number | undefined => (typeof value === "number" ? value : undefined)
  const connection = yield* Client.connect(`ws://127.0.0.1:${port}/`).pipe(
    Effect.provide(
      PermessageDeflate.layer({
        serverContextTakeover: !params.server_no_context_takeover,
        clientContextTakeover: !params.client_no_context_takeover,
        serverMaxWindowBits: bits(params.server_max_window_bits),
        clientMaxWindowBits: bits(params.client_max_window_bits)
      })
    )
  )
  for (const fragmentSize of [undefined, 5000]) {
    for (const message of messages) {
      yield* connection.send(message, { fragmentSize })
      assert.deepStrictEqual(yield* connection.receive, message)
    }
  }
  const extensions = connection.extensions.map(({ name }) => name)
  return { closeInfo: yield* connection.close(), extensions }
})

/** Starts an echo server in Python for each set of parameters, and gives their ports. */
const serve = (combinations: ReadonlyArray<Params>): Effect.Effect<ReadonlyArray<number>, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() =>
        spawn(python, [script("server"), JSON.stringify(combinations)], { stdio: ["pipe", "pipe", "inherit"] })
      ),
      (child) => Effect.sync(() => void child.kill("SIGKILL"))
    ),
    (child) =>
      Effect.callback((resume) => {
        let printed = ""
        child.stdout.on("data", (chunk: Buffer) => {
          printed += chunk.toString()
          if (printed.endsWith("\n")) resume(Effect.succeed(JSON.parse(printed) as ReadonlyArray<number>))
        })
        child.once("exit", (code) => resume(Effect.die(new Error(`server.py ended with ${code}`))))
      })
  )
