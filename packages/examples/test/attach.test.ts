/**
 * WebSockets on the port of an HTTP server: the examples.
 */
import * as Chromium from "@effect-ws/test-support/Chromium"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { Scope } from "effect"
import { HttpServer } from "effect/http"
import { Client, PermessageDeflate, WebSocketServer } from "effect-ws"
import type { Page } from "playwright-core"
import * as NodeHttp from "../src/node-http.ts"
import * as WebApp from "../src/web-app.ts"

const get = (url: string, init?: RequestInit) =>
  Effect.promise(async () => {
    const response = await fetch(url, { ...init, headers: { Connection: "close" } })
    return { status: response.status, type: response.headers.get("Content-Type"), text: await response.text() }
  })

const withApp = <A, E>(
  use: (host: string) => Effect.Effect<A, E, Scope.Scope | Layer.Success<ReturnType<typeof Client.layerDirect>>>
) =>
  Effect.gen(function* () {
    const { address } = yield* HttpServer.HttpServer
    assert(address._tag === "InetAddressV4")
    return yield* use(`127.0.0.1:${address.port}`)
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(Layer.fresh(WebApp.app(0)), Client.layerDirect())))

describe("web application", { timeout: 20_000 }, () => {
  it.live("serves files, an API and a WebSocket on one port", () =>
    withApp(
      Effect.fnUntraced(function* (host) {
        const page = yield* get(`http://${host}/`)
        assert.deepStrictEqual([page.status, page.type], [200, "text/html; charset=utf-8"])
        assert.include(page.text, "What is for lunch?")
        assert.strictEqual((yield* get(`http://${host}/poll.js`)).type, "text/javascript; charset=utf-8")
        assert.strictEqual((yield* get(`http://${host}/else.js`)).status, 404)

        const live = yield* Effect.provide(Client.connect(`ws://${host}/live/lunch`), PermessageDeflate.layer())
        assert.deepStrictEqual(
          live.extensions.map(({ name }) => name),
          ["permessage-deflate"]
        )
        assert.strictEqual((yield* live.receive).data, '{"pasta":0,"rice":0,"salad":0}')
        yield* live.send("rice")
        assert.strictEqual((yield* live.receive).data, '{"pasta":0,"rice":1,"salad":0}')
        const voted = yield* get(`http://${host}/api/polls/lunch/pasta`, { method: "POST" })
        assert.strictEqual(voted.text, '{"pasta":1,"rice":1,"salad":0}')
        assert.strictEqual((yield* live.receive).data, voted.text)
        assert.strictEqual((yield* get(`http://${host}/api/polls/lunch`)).text, voted.text)
        assert.strictEqual((yield* get(`http://${host}/api/polls/lunch/soup`, { method: "POST" })).status, 404)
      })
    )
  )

  it.live("refuses polls that do not exist, strangers, and requests without an upgrade", () =>
    withApp(
      Effect.fnUntraced(function* (host) {
        const refused = (path: string, options?: Client.ClientOptions) =>
          Effect.map(Effect.flip(Client.connect(`ws://${host}${path}`, options)), (error) =>
            error._tag === "UnexpectedResponse" ? error.status : error._tag
          )
        assert.strictEqual(yield* refused("/live/dinner"), 404)
        assert.strictEqual(yield* refused("/"), 200)
        assert.strictEqual(yield* refused("/live/lunch", { origin: "http://evil.example" }), 403)
        assert.strictEqual((yield* get(`http://${host}/live/lunch`)).status, 426)
      })
    )
  )
})

describe.skipIf(Chromium.isLeftOut)("web application in Chromium (left out where Chromium is missing)", () => {
  it.live(
    "shows two pages the votes of each other and of the API",
    () =>
      withApp(
        Effect.fnUntraced(function* (host) {
          const browser = yield* Chromium.launch
          const open = async (): Promise<Page> => {
            const page = await browser.newPage()
            await page.goto(`http://${host}/`)
            await page.waitForSelector('#status[data-state="open"]')
            await page.waitForSelector('[data-choice="pasta"]')
            return page
          }
          const shows = (page: Page, choice: string, count: number): Promise<void> =>
            page.locator(`[data-choice="${choice}"] output`, { hasText: String(count) }).waitFor()
          const [one, two] = yield* Effect.promise(async () => [await open(), await open()] as const)
          yield* Effect.promise(async () => {
            await one.click('[data-choice="pasta"] button')
            await shows(two, "pasta", 1)
            await two.click('[data-choice="rice"] button')
            await shows(one, "rice", 1)
          })
          yield* get(`http://${host}/api/polls/lunch/salad`, { method: "POST" })
          yield* Effect.promise(() => Promise.all([shows(one, "salad", 1), shows(two, "salad", 1)]))
        })
      ),
    60_000
  )
})

describe("beside a node:http server", () => {
  it.live("echoes at its path, and leaves the rest to the server", () =>
    Effect.gen(function* () {
      const { address } = yield* WebSocketServer.WebSocketServer
      assert(address._tag === "InetAddressV4")
      const host = `127.0.0.1:${address.port}`
      const connection = yield* Client.connect(`ws://${host}/echo`)
      yield* connection.send("hello")
      assert.strictEqual((yield* connection.receive).data, "hello")
      assert.strictEqual((yield* get(`http://${host}/`)).text, "a page\n")
      const error = yield* Effect.flip(Client.connect(`ws://${host}/else`))
      assert(error._tag === "UnexpectedResponse")
      assert.strictEqual(error.status, 404)
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(NodeHttp.app(0), Client.layerDirect())))
  )
})
