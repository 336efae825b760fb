/**
 * Listening sockets that another process opened: the environment that tells of them, and processes that share one.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { Scope } from "effect"
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import * as Net from "node:net"
import * as ListenDescriptors from "../src/ListenDescriptors.ts"
import * as Tcp from "../src/Tcp.ts"

describe("ListenDescriptors", () => {
  const parse = (env: Readonly<Record<string, string>>) => ListenDescriptors.parse(env, 77)

  it.effect("finds none where nothing is said, or it is said to another process", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* parse({}), [])
      assert.deepStrictEqual(yield* parse({ LISTEN_FDS: "1" }), [])
      assert.deepStrictEqual(yield* parse({ LISTEN_PID: "78", LISTEN_FDS: "1" }), [])
      assert.deepStrictEqual(yield* parse({ LISTEN_PID: "77", LISTEN_FDS: "0" }), [])
      assert.deepStrictEqual(yield* ListenDescriptors.inherited, [])
    })
  )

  it.effect("counts from 3, with and without names", () =>
    Effect.gen(function* () {
      const env = { LISTEN_PID: "77", LISTEN_FDS: "2" }
      assert.deepStrictEqual(yield* parse(env), [
        { fd: 3, name: "unknown" },
        { fd: 4, name: "unknown" }
      ])
      assert.deepStrictEqual(yield* parse({ ...env, LISTEN_FDNAMES: "http:" }), [
        { fd: 3, name: "http" },
        { fd: 4, name: "" }
      ])
    })
  )

  it.effect("says what is wrong with an environment, and what it expected", () =>
    Effect.gen(function* () {
      const message = (env: Readonly<Record<string, string>>) =>
        Effect.map(Effect.flip(parse({ LISTEN_PID: "77", LISTEN_FDS: "1", ...env })), (error) => error.message)
      assert.strictEqual(
        yield* message({ LISTEN_FDS: "many" }),
        'environment variable LISTEN_FDS is "many", expected a number of descriptors'
      )
      assert.strictEqual(
        yield* message({ LISTEN_FDS: "99999999999" }),
        'environment variable LISTEN_FDS is "99999999999", expected a number of descriptors'
      )
      assert.strictEqual(
        yield* message({ LISTEN_PID: "-1" }),
        'environment variable LISTEN_PID is "-1", expected a process id'
      )
      assert.strictEqual(
        yield* message({ LISTEN_FDNAMES: "a:b" }),
        'environment variable LISTEN_FDNAMES is "a:b", expected 1 names separated by colons'
      )
    })
  )
})

/** A listening socket of this process, which takes no connection from it while its descriptor is what is wanted. */
const listening: Effect.Effect<{ readonly port: number; readonly fd: number; readonly close: () => void }> =
  Effect.callback((resume) => {
    const server = Net.createServer((socket) => socket.destroy())
    server.listen(0, "127.0.0.1", () => {
      const { fd } = (server as unknown as { readonly _handle: { readonly fd: number } })._handle
      resume(Effect.succeed({ port: (server.address() as Net.AddressInfo).port, fd, close: () => server.close() }))
    })
  })

const program = new URL("support/inheritedServer.ts", import.meta.url).pathname

/** Starts a process that serves descriptor 3 and tells each client its name; waits until it listens. */
const serve = (name: string, fd: number, layer = "Tcp"): Effect.Effect<ChildProcess, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [program, name, layer], { stdio: ["ignore", "pipe", "inherit", fd] })),
      (child) => Effect.sync(() => void child.kill("SIGKILL"))
    ),
    (child) =>
      Effect.callback<ChildProcess>((resume) => {
        child.stdout!.once("data", () => resume(Effect.succeed(child)))
        child.once("exit", (code) => resume(Effect.die(new Error(`the server ended with ${code}`))))
      })
  )

const ask = (port: number): Effect.Effect<string, Error> =>
  Effect.callback((resume) => {
    let answer = ""
    const socket = Net.connect(port, "127.0.0.1")
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()))
    socket.once("error", (error) => resume(Effect.fail(error)))
    socket.once("end", () => resume(Effect.succeed(answer)))
    return Effect.sync(() => socket.destroy())
  })

const stop = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback((resume) => {
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGTERM")
  })

describe("an inherited descriptor", () => {
  it.live.each(["Tcp", "Unix"])("is served by %s, whichever process opened it, and its address is known", (layer) =>
    Effect.gen(function* () {
      const { close, fd, port } = yield* listening
      yield* serve("a", fd, layer)
      close()
      assert.match(yield* ask(port), new RegExp(`^a \\d+ at 127.0.0.1:${port}$`))
    }).pipe(Effect.scoped)
  )

  it.live(
    "refuses no client while one process takes it over from another",
    () =>
      Effect.gen(function* () {
        const { close, fd, port } = yield* listening
        const first = yield* serve("first", fd)
        close()
        // The parent has closed it: only those who serve it hold it now.
        const pids = new Map<string, number>()
        let answers = 0
        const asking = Effect.map(ask(port), (answer) => {
          const [name, pid] = answer.split(" ")
          pids.set(name!, Number(pid))
          answers++
        })
        const seen = (name: string) => Effect.repeat(asking, { until: () => pids.has(name) })
        yield* seen("first")
        first.kill("SIGHUP")
        yield* seen("successor")
        yield* Effect.addFinalizer(() => Effect.sync(() => process.kill(pids.get("successor")!, "SIGKILL")))
        answers = 0
        pids.delete("first")
        yield* Effect.all([stop(first), Effect.repeat(asking, { times: 200 })], { concurrency: 2 })
        assert.strictEqual(answers, 201)
        // The last one to ask was answered by the successor: the other is gone.
        pids.clear()
        yield* asking
        assert.deepStrictEqual([...pids.keys()], ["successor"])
      }).pipe(Effect.scoped),
    60_000
  )

  it.live("that is no listening socket is an error that names it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(Tcp.layerServer({ fd: 99 })))
      assert.match(error.message, /^cannot listen on descriptor 99: .*EINVAL/)
    }).pipe(Effect.scoped)
  )
})
