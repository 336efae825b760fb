/**
 * Who gets the page on a port of its own: those who have the token, and ask for an address or an allowed name.
 */
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer, Redacted } from "effect"
import * as Inspector from "../src/Inspector.ts"
import * as InspectorServer from "../src/InspectorServer.ts"
import { page } from "../src/internal/page.ts"
import { get, shake } from "./support/requests.ts"

const served = (options?: InspectorServer.ServerOptions) =>
  InspectorServer.layer(options).pipe(Layer.provideMerge(Inspector.layer()))

describe("InspectorServer", () => {
  it.live("serves the page and its WebSocket to those who have the token", () =>
    Effect.gen(function* () {
      const { url } = yield* InspectorServer.InspectorServer
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{24}\/$/)
      const { body, headers, status } = yield* get(url)
      assert.strictEqual(status, 200)
      assert.strictEqual(body, page().html)
      assert.strictEqual(headers["cache-control"], "no-store")
      assert.strictEqual(headers["referrer-policy"], "no-referrer")
      assert.include(headers["content-security-policy"], "frame-ancestors 'none'")
      assert.strictEqual(yield* shake(`${url}socket`), 101)
      assert.strictEqual((yield* get(`${url}other`)).status, 404)
      assert.strictEqual(yield* shake(`${url}other`), 404)
    }).pipe(Effect.provide(served()))
  )

  it.live("refuses a wrong token, and a missing one", () =>
    Effect.gen(function* () {
      const { url } = yield* InspectorServer.InspectorServer
      const { origin } = new URL(url)
      for (const path of ["/", "/x/", `${new URL(url).pathname.slice(0, -2)}/`, "//"]) {
        const { body, status } = yield* get(origin + path)
        assert.strictEqual(status, 403, path)
        assert.include(body, "the token is missing or wrong")
        assert.strictEqual(yield* shake(`${origin}${path}socket`), 403, path)
      }
    }).pipe(Effect.provide(served()))
  )

  it.live("refuses names that are not its own, which a page elsewhere may point here", () =>
    Effect.gen(function* () {
      const { url } = yield* InspectorServer.InspectorServer
      const { port } = new URL(url)
      const statuses = (host: string) =>
        Effect.all([Effect.map(get(url, { host }), ({ status }) => status), shake(`${url}socket`, { host })])
      for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, "[::1]", "inspector.example"]) {
        assert.deepStrictEqual(yield* statuses(host), [200, 101], host)
      }
      for (const host of ["evil.example", `evil.example:${port}`, "localhost.evil.example", "127.0.0.1.evil.example"]) {
        assert.deepStrictEqual(yield* statuses(host), [403, 403], host)
      }
    }).pipe(Effect.provide(served({ hosts: ["Inspector.example"] })))
  )

  it.live("refuses pages of other origins", () =>
    Effect.gen(function* () {
      const { url } = yield* InspectorServer.InspectorServer
      const { origin } = new URL(url)
      assert.strictEqual(yield* shake(`${url}socket`, { origin: "https://evil.example" }), 403)
      assert.strictEqual(yield* shake(`${url}socket`, { origin }), 101)
    }).pipe(Effect.provide(served()))
  )

  it.live("takes a token of the program's own, or none", () =>
    Effect.gen(function* () {
      const own = yield* Effect.provide(InspectorServer.InspectorServer, served({ token: Redacted.make("a b") }))
      assert.match(own.url, /\/a%20b\/$/)
      const { url } = yield* InspectorServer.InspectorServer
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/)
      assert.strictEqual((yield* get(url)).status, 200)
      assert.strictEqual(yield* shake(`${url}socket`), 101)
    }).pipe(Effect.provide(Layer.fresh(served({ token: "none" }))))
  )
})

describe("InspectorServer.layerConfig", () => {
  const of = (values: Readonly<Record<string, string>>) =>
    InspectorServer.layerConfig({
      host: Config.String("INSPECTOR_HOST").pipe(Config.withDefault("127.0.0.1")),
      token: Config.Redacted("INSPECTOR_TOKEN")
    }).pipe(Layer.provide(Inspector.layer()), Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(values))))

  it.live("takes the values of the environment", () =>
    Effect.gen(function* () {
      const { url } = yield* InspectorServer.InspectorServer
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/secret\/$/)
    }).pipe(Effect.provide(of({ INSPECTOR_TOKEN: "secret" })))
  )

  it.effect("fails with a ConfigError that names the key of a value that is missing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(of({})))
      assert.instanceOf(error, Config.ConfigError)
      assert.include(error.message, "INSPECTOR_TOKEN")
    })
  )
})
