import * as Executable from "@effect-ws/test-support/Executable"
import { freePort } from "@effect-ws/test-support/LocalPort"
import * as Chromium from "@effect-ws/test-support/Chromium"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import type { Scope } from "effect"
import { Memory } from "effect-ws"
import * as TopicClient from "effect-ws/TopicClient"
import { mkdtempSync, rmSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { node } from "../src/rooms.ts"
import { kill, start } from "./support/programs.ts"

describe("rooms", () => {
  it.effect("keeps what was said for who comes later, in rooms and nowhere else", () =>
    Effect.gen(function* () {
      const ada = yield* TopicClient.make({ url: "ws://rooms.test/" })
      yield* ada.publish("room:tea", "hello")
      const bob = yield* TopicClient.make({ url: "ws://rooms.test/" })
      const [line] = yield* Stream.runCollect(Stream.take(bob.subscribe("room:tea", { after: "oldest" }), 1))
      assert.strictEqual(line?._tag === "Entry" && line.data, "hello")
      const denied = yield* Effect.flip(bob.publish("elsewhere", "hello"))
      assert.strictEqual(denied._tag, "Denied")
    }).pipe(Effect.provide(node().pipe(Layer.provideMerge(Memory.layer({ port: 80 })))))
  )
})

const isLeftOut =
  Chromium.isLeftOut || (!Executable.runs("redis-server", "--version") && process.env["CI"] === undefined)

/** A load balancer: each connection goes to the first node that accepts, and breaks with it. */
const balancer = (ports: ReadonlyArray<number>): Effect.Effect<number, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Net.Server>((resume) => {
        const server = Net.createServer((client) => {
          const dial = (at: number): void => {
            if (at === ports.length) return void client.destroy()
            const upstream = Net.connect(ports[at]!, "127.0.0.1")
            const next = (): void => dial(at + 1)
            upstream.once("error", next)
            upstream.once("connect", () => {
              upstream.off("error", next)
              for (const socket of [upstream, client]) {
                socket.on("error", () => {})
                socket.on("close", () => {
                  upstream.destroy()
                  client.destroy()
                })
              }
              client.pipe(upstream).pipe(client)
            })
          }
          dial(0)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    ),
    (server) => (server.address() as Net.AddressInfo).port
  )

const enterRoom = async (page: Page, name: string, room: string): Promise<void> => {
  await page.fill("#name", name)
  await page.fill("#room", room)
  await page.click("#join button")
  await page.waitForSelector('#status[data-state="in"]')
}

const say = async (page: Page, text: string): Promise<void> => {
  await page.fill("#text", text)
  await page.click("#say button")
}

const heard = async (page: Page, count: number): Promise<ReadonlyArray<string>> => {
  await page
    .locator("#log li")
    .nth(count - 1)
    .waitFor()
  return page.locator("#log li").allTextContents()
}

describe.skipIf(isLeftOut)("rooms in Chromium (left out where Chromium or redis-server is missing)", () => {
  it.live(
    "a page whose node is killed goes on at the other one, with every line once",
    () =>
      Effect.gen(function* () {
        const folder = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ws-rooms-"))),
          (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
        )
        const redis = yield* freePort
        const flags = ["--port", String(redis), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        yield* start("redis-server", flags, redis)
        const file = new URL("../src/rooms.ts", import.meta.url).pathname
        const startNode = Effect.fnUntraced(function* () {
          const port = yield* freePort
          const env = { PORT: String(port), REDIS_URL: `redis://127.0.0.1:${redis}` }
          return { port, child: yield* start(process.execPath, [file], port, env) }
        })
        const [one, two] = [yield* startNode(), yield* startNode()]
        const front = yield* balancer([one.port, two.port])
        const browser = yield* Chromium.launch
        const open = (port: number) =>
          Effect.promise(async () => {
            const page = await browser.newPage()
            await page.goto(`http://127.0.0.1:${port}/`)
            return page
          })
        // Ada is on the first node, Bob on the second.
        const ada = yield* open(front)
        const bob = yield* open(two.port)
        yield* Effect.promise(() => enterRoom(ada, "Ada", "tea"))
        yield* Effect.promise(() => enterRoom(bob, "Bob", "tea"))
        yield* Effect.promise(() => say(ada, "one"))
        yield* Effect.promise(() => say(bob, "two"))
        assert.deepStrictEqual(yield* Effect.promise(() => heard(ada, 2)), yield* Effect.promise(() => heard(bob, 2)))
        yield* kill(one.child)
        yield* Effect.promise(() => say(bob, "three"))
        yield* Effect.promise(() => ada.waitForSelector('#status[data-state="in"][data-connections="2"]'))
        yield* Effect.promise(() => say(ada, "four"))
        const lines = yield* Effect.promise(() => heard(ada, 4))
        assert.deepStrictEqual(lines.slice(2), ["Bobthree", "Adafour"])
        assert.deepStrictEqual(yield* Effect.promise(() => heard(bob, 4)), lines)
        assert.match(String(yield* Effect.promise(() => ada.textContent("#status"))), /resumed after/)
      }).pipe(Effect.scoped),
    90_000
  )
})
