/** The inspector's page, open in Chromium. */
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Chromium from "@effect-ws/test-support/Chromium"
import * as Memory from "@effect-ws/transport/Memory"
import { Effect, Layer, Logger, Stream } from "effect"
import type { Page } from "playwright-core"
import * as Inspector from "../../src/Inspector.ts"
import * as InspectorServer from "../../src/InspectorServer.ts"

/** Where the inspected server listens. */
export const url = "ws://echo.test/chat?token=secret"

/** An echo server, and the inspector's page of it. */
export const served = (options: InspectorServer.ServerOptions, record?: Inspector.Options) =>
  Layer.merge(
    InspectorServer.layer(options),
    WebSocketServer.layer(
      (connection) => Stream.runForEach(connection.messages, (message) => connection.send(message)),
      { paths: ["/chat"] }
    )
  ).pipe(
    Layer.provideMerge(Inspector.layer({ payloads: "full", ...record })),
    Layer.provideMerge(Layer.fresh(Memory.layer({ port: 80 }))),
    Layer.provideMerge(Logger.layer([]))
  )

/** Waits for an element with a text. The page's policy forbids what `waitForFunction` evaluates. */
export const says = (page: Page, selector: string, text: string | RegExp): Promise<void> =>
  page
    .locator(selector)
    .filter({ hasText: typeof text === "string" ? new RegExp(`^${text}$`) : text })
    .waitFor()

/** Opens the page in Chromium; `problems` are the errors that it reports. */
export const open = Effect.gen(function* () {
  const inspector = yield* InspectorServer.InspectorServer
  const browser = yield* Chromium.launch
  const page = yield* Effect.promise(() => browser.newPage())
  const problems: Array<string> = []
  page.on("pageerror", (error) => problems.push(error.message))
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text())
  })
  yield* Effect.promise(() => page.goto(inspector.url))
  yield* Effect.promise(() => page.waitForSelector('#status[data-state="live"]'))
  return { page, problems }
})
