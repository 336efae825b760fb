import { assert, describe, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Context, Effect, Layer } from "effect"
import * as NetAddress from "effect/net/NetAddress"
import { SocketServer } from "effect/socket"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { formatAddress } from "../src/Dialer.ts"
import * as Unix from "../src/Unix.ts"

const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-ws-"))
process.once("exit", () => Fs.rmSync(directory, { recursive: true, force: true }))
let count = 0
const freshPath = (): string => Path.join(directory, `${++count}.sock`)

/** A socket file whose process is gone. */
const leaveStale = (path: string): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const server = Net.createServer()
    server.listen({ path: `${path}.alive` }, () => {
      Fs.renameSync(`${path}.alive`, path)
      server.close(() => resume(Effect.void))
    })
  })

const failure = (path: string): Effect.Effect<string, unknown, Scope.Scope> =>
  Effect.map(Effect.flip(Layer.build(Unix.layerServer({ path }))), (error) => error.message)

describe("Unix socket files", () => {
  it.live("clears away a stale file, and removes its own on close", () =>
    Effect.gen(function* () {
      const path = freshPath()
      yield* leaveStale(path)
      assert.isTrue(Fs.lstatSync(path).isSocket())
      yield* Effect.scoped(
        Effect.gen(function* () {
          const context = yield* Layer.build(Unix.layerServer({ path }))
          assert.deepStrictEqual(
            yield* Effect.provide(
              SocketServer.SocketServer.useSync((server) => server.address._tag),
              context
            ),
            "UnixPathAddress"
          )
        })
      )
      assert.isFalse(Fs.existsSync(path))
    })
  )

  it.live("does not touch a file that is not a socket", () =>
    Effect.gen(function* () {
      const path = freshPath()
      Fs.writeFileSync(path, "precious")
      assert.match(yield* failure(path), /is not a socket/)
      assert.strictEqual(Fs.readFileSync(path, "utf8"), "precious")
      const link = freshPath()
      Fs.symlinkSync(path, link)
      assert.match(yield* failure(link), /is not a socket/)
    })
  )

  it.live("does not touch the file of a live server", () =>
    Effect.gen(function* () {
      const path = freshPath()
      yield* Layer.build(Unix.layerServer({ path }))
      assert.match(yield* failure(path), /another process already listens/)
      assert.isTrue(Fs.existsSync(path))
    })
  )

  it.live("sets the mode", () =>
    Effect.gen(function* () {
      const path = freshPath()
      yield* Layer.build(Unix.layerServer({ path, mode: 0o600 }))
      assert.strictEqual(Fs.statSync(path).mode & 0o777, 0o600)
    })
  )

  it.live("refuses a mode for an abstract socket, which has no permissions, before it listens", () =>
    Effect.gen(function* () {
      const name = `effect-ws-${process.pid}-${Date.now()}`
      const path = `\0${name}`
      const error = yield* Effect.flip(Layer.build(Unix.layerServer({ path, mode: 0o600 })))
      assert.strictEqual(
        error.message,
        `cannot listen on @${name}: an abstract socket has no permissions, and every local process may connect: omit mode, ` +
          "or listen at a path of the file system"
      )
      if (process.platform !== "linux") return
      const context = yield* Layer.build(Unix.layerServer({ path }))
      const address = Context.get(context, SocketServer.SocketServer).address
      assert.deepStrictEqual(address, NetAddress.unixPathAddress(path))
      assert.strictEqual(formatAddress(address), `@${name}`)
      const taken = yield* Effect.flip(Layer.build(Unix.layerServer({ path })))
      assert.include(taken.message, `cannot listen on @${name}: `)
    })
  )

  it.live("fails with the path where the directory does not exist", () =>
    Effect.gen(function* () {
      assert.match(yield* failure("/nonexistent/x.sock"), /^cannot listen on \/nonexistent\/x\.sock: /)
    })
  )
})
