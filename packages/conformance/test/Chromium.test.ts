/**
 * permessage-deflate between Chromium and our server: what a page sees of it, and how many bytes are on the wire.
 */
import * as Chromium from "@effect-ws/test-support/Chromium"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Subject from "../src/Subject.ts"
import * as CountingProxy from "./CountingProxy.ts"

const users = Array.from({ length: 60 }, (_, id) => ({ id, name: `user ${id * 7919}`, tags: ["red", "green"] }))
const texts = [
  JSON.stringify(users),
  "Grüße, Jürgen ✓",
  JSON.stringify([users, users, users]),
  "",
  JSON.stringify(users)
]

/** Runs in the page: sends each text, and its bytes, waits for the echoes, and says what it saw. */
const talk = async ({
  texts,
  url
}: {
  readonly url: string
  readonly texts: ReadonlyArray<string>
}): Promise<{ readonly extensions: string; readonly same: boolean; readonly plain: number }> => {
  const socket = new WebSocket(url)
  socket.binaryType = "arraybuffer"
  const sent = texts.flatMap((text) => [text, new TextEncoder().encode(text)])
  const echoes: Array<string | ArrayBuffer> = []
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => {
      for (const message of sent) socket.send(message)
    })
    socket.addEventListener("message", ({ data }: MessageEvent) => {
      echoes.push(data as string | ArrayBuffer)
      if (echoes.length === sent.length) resolve()
    })
    socket.addEventListener("close", ({ code, reason }) => reject(new Error(`closed with ${code}: ${reason}`)))
  })
  const { extensions } = socket
  socket.close()
  const same = sent.every((message, index) => {
    const echo = echoes[index]!
    if (typeof message === "string") return message === echo
    return echo instanceof ArrayBuffer && new TextDecoder().decode(echo) === new TextDecoder().decode(message)
  })
  return { extensions, same, plain: texts.reduce((sum, text) => sum + 2 * new TextEncoder().encode(text).length, 0) }
}

describe.skipIf(Chromium.isLeftOut)(
  "Chromium and compression (left out where Chromium is missing)",
  { timeout: 60_000 },
  () => {
    for (const variant of ["fiber", "queue"] as const) {
      for (const [flags, agreed] of [
        [[], ["permessage-deflate"]],
        [["--no-deflate"], []]
      ] as const) {
        it.live(`the ${variant} server, serve ${flags.join(" ")}`, () =>
          Effect.gen(function* () {
            const port = Number((yield* Subject.start(variant, ...flags)).split(":")[1])
            const proxy = yield* CountingProxy.start(port)
            const browser = yield* Chromium.launch
            const page = yield* Effect.promise(() => browser.newPage())
            const seen = yield* Effect.promise(async () => {
              await page.goto(`http://127.0.0.1:${port}/`)
              return page.evaluate(talk, { url: `ws://127.0.0.1:${proxy.port}/`, texts })
            })
            const { request, response } = proxy.connections[0]!
            assert.deepStrictEqual(CountingProxy.extensionsIn(request), ["permessage-deflate; client_max_window_bits"])
            assert.deepStrictEqual(CountingProxy.extensionsIn(response), agreed)
            assert.deepStrictEqual([seen.extensions, seen.same], [agreed.join(), true])
            for (const { bytes } of [request, response]) {
              if (agreed.length === 0) assert.isAbove(bytes, seen.plain)
              else assert.isBelow(bytes, seen.plain / 10)
            }
          }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
        )
      }
    }
  }
)
