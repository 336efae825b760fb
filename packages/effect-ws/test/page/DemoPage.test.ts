import * as Chromium from "@effect-ws/test-support/Chromium"
import { assert, describe, it } from "@effect/vitest"
import * as DemoPage from "effect-ws/page/DemoPage"
import * as files from "effect-ws/page/files"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { Script } from "node:vm"
import type { Page, WebSocketRoute } from "playwright-core"

describe("DemoPage", () => {
  it("loads nothing from elsewhere", () => {
    const withoutIcon = DemoPage.html.replace(/href="data:[^"]*"/, "")
    assert.notMatch(withoutIcon, /\b(?:src|href|action)=/)
    assert.notMatch(files.style, /url\(|@import/)
    assert.notMatch(files.script, /\b(?:fetch|import|XMLHttpRequest|eval|innerHTML)\b/)
  })

  it("allows exactly its own script and style", () => {
    const hash = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`
    const between = (tag: string): string => new RegExp(`<${tag}[^>]*>([^]*?)</${tag}>`).exec(DemoPage.html)![1]!
    for (const policy of [
      DemoPage.headers["Content-Security-Policy"]!,
      /content="([^"]*sha256[^"]*)"/.exec(DemoPage.html)![1]!
    ]) {
      assert.include(policy, "default-src 'none'")
      assert.include(policy, `script-src ${hash(between("script"))}`)
      assert.include(policy, `style-src ${hash(between("style"))}`)
      assert.notInclude(policy, "unsafe")
    }
  })

  it("holds a script that parses, and cannot end its own tag", () => {
    assert.doesNotThrow(() => new Script(files.script))
    assert.strictEqual(DemoPage.html.split("</script").length, 2)
  })

  it("has each id once, and each label has its field", () => {
    const ids = [...DemoPage.html.split("<script")[0]!.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]!)
    assert.deepStrictEqual(ids, [...new Set(ids)])
    for (const [, target] of DemoPage.html.matchAll(/ for="([^"]+)"/g)) assert.include(ids, target!)
    for (const [, target] of files.script.matchAll(/(?:\$|input|button|form|find)\("([^"]+)"/g))
      assert.include(ids, target!)
  })

  it("announces its length in bytes", () => {
    assert.strictEqual(DemoPage.headers["Content-Length"], String(new TextEncoder().encode(DemoPage.html).length))
  })
})

// What the page does is checked against connections that the browser's driver plays, so that these tests depend on no
// server of ours; the endings that only a real network has use a port where nothing listens.
describe.skipIf(Chromium.isLeftOut)("DemoPage in Chromium (left out where Chromium is missing)", () => {
  const serve = Effect.acquireRelease(
    Effect.callback<{ readonly server: http.Server; readonly port: number }>((resume) => {
      const server = http.createServer((_request, response) => {
        response.writeHead(200, DemoPage.headers)
        response.end(DemoPage.bytes)
      })
      server.listen(0, "127.0.0.1", () => {
        resume(Effect.succeed({ server, port: (server.address() as AddressInfo).port }))
      })
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )

  const open = Effect.fnUntraced(function* (play?: (socket: WebSocketRoute) => void) {
    const { port } = yield* serve
    const browser = yield* Chromium.launch
    const page = yield* Effect.promise(() => browser.newPage())
    const problems: Array<string> = []
    page.on("pageerror", (error) => problems.push(error.message))
    page.on("console", (message) => {
      if (message.type() === "error" && !message.text().includes("ERR_CONNECTION_REFUSED"))
        problems.push(message.text())
    })
    if (play !== undefined) yield* Effect.promise(() => page.routeWebSocket(/^ws:/, play))
    yield* Effect.promise(() => page.goto(`http://127.0.0.1:${port}/`))
    return { page, port, problems }
  })

  const echo = (socket: WebSocketRoute): void => {
    socket.onMessage((message) => socket.send(message))
  }
  const last = (page: Page, selector: string) => page.locator(`#log li${selector}`).last()
  const connect = async (page: Page): Promise<void> => {
    await page.click("#connect")
    await page.waitForSelector('#status[data-state="open"]')
  }

  it.live(
    "connects, echoes text and bytes with their round trips, and closes",
    () =>
      Effect.gen(function* () {
        const { page, port, problems } = yield* open(echo)
        yield* Effect.promise(async () => {
          assert.strictEqual(await page.inputValue("#url"), `ws://127.0.0.1:${port}/`)
          assert.isTrue(await page.isDisabled("#send-text"))
          await page.keyboard.press("Enter")
          await page.waitForSelector('#status[data-state="open"]')

          await page.fill("#text", "Grüße <b>")
          await page.press("#text", "Enter")
          const text = last(page, '[data-direction="in"][data-kind="text"]')
          assert.strictEqual(await text.locator(".body").textContent(), "Grüße <b>")
          assert.strictEqual(await text.getAttribute("data-size"), "11")
          assert.isAtLeast(Number(await text.getAttribute("data-rtt")), 0)

          await page.fill("#binary", "0x00, 7F:ff")
          await page.click("#send-binary")
          const bytes = last(page, '[data-direction="in"][data-kind="binary"]')
          assert.strictEqual(await bytes.locator(".body").textContent(), "00 7f ff")

          await page.setInputFiles("#file", { name: "f.bin", mimeType: "", buffer: Buffer.alloc(3000, 1) })
          const file = page.locator('#log li[data-direction="in"][data-size="3000"]')
          assert.match((await file.locator(".body").textContent())!, /^01 01 .*2,936 more bytes$/)
          await page.locator("#received", { hasText: /^3$/ }).waitFor()
          assert.match((await page.textContent("#rtt"))!, /^\d+(\.\d+)?$/)

          await page.fill("#close-code", "4001")
          await page.fill("#close-reason", "enough")
          await page.click("#disconnect")
          const close = last(page, '[data-kind="close"]')
          assert.strictEqual(await close.getAttribute("data-code"), "4001")
          assert.strictEqual(await close.getAttribute("data-reason"), "enough")
          assert.strictEqual(await close.getAttribute("data-clean"), "true")
          assert.strictEqual(await page.textContent("#status"), "Disconnected")
        })
        assert.deepStrictEqual(problems, [])
      }),
    30_000
  )

  it.live(
    "shows the log on a phone without scrolling, connected and after the end",
    () =>
      Effect.gen(function* () {
        const { page, problems } = yield* open(echo)
        yield* Effect.promise(async () => {
          // A phone of usual size, less what its browser's bars take.
          await page.setViewportSize({ width: 390, height: 664 })
          await page.reload()
          const room = async (): Promise<number> => {
            const log = (await page.locator("#log").boundingBox())!
            return Math.min(log.height, 664 - log.y)
          }
          assert.isFalse(await page.isVisible("#close-code"))
          assert.isAtLeast(await room(), 200)
          await connect(page)
          await page.click("#send-text")
          await last(page, '[data-direction="in"]').waitFor()
          assert.isAtLeast(await room(), 200)
          await page.click("#disconnect")
          await page.waitForSelector('#status[data-state="closed"]')
          assert.isAtLeast(await room(), 150)
          assert.isTrue(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))

          // A field that is wrong is shown, wherever it is.
          await connect(page)
          await page.click("summary")
          await page.fill("#close-code", "1002")
          await page.click("summary")
          await page.click("#disconnect")
          assert.isTrue(await page.isVisible("#close-code"))
        })
        assert.deepStrictEqual(problems, [])
      }),
    30_000
  )

  it.live(
    "says in words how the server closed",
    () =>
      Effect.gen(function* () {
        const codes = [1000, 1001, 1003, 1009, 1011, 1013, 3500, 4321]
        const rest = [...codes]
        const { page } = yield* open((socket) => {
          socket.onMessage(() => void socket.close({ code: rest.shift()!, reason: "because" }))
        })
        yield* Effect.promise(async () => {
          const words = new Set<string>()
          for (const code of codes) {
            await connect(page)
            await page.click("#send-text")
            await page.waitForSelector('#status[data-state="closed"]')
            const outcome = (await page.textContent("#outcome"))!
            assert.isTrue(outcome.startsWith(`${code}, `), outcome)
            assert.include(outcome, "“because”")
            words.add(outcome.slice(5))
          }
          assert.strictEqual(words.size, codes.length)
        })
      }),
    30_000
  )

  it.live(
    "explains a connection that never opened",
    () =>
      Effect.gen(function* () {
        const { page } = yield* open()
        yield* Effect.promise(async () => {
          await page.fill("#url", "ws://127.0.0.1:1/")
          await page.click("#connect")
          const close = last(page, '[data-kind="close"]')
          await close.waitFor()
          assert.strictEqual(await close.getAttribute("data-code"), "1006")
          assert.strictEqual(await close.getAttribute("data-clean"), "false")
          assert.include((await page.textContent("#outcome"))!, "nothing listens at 127.0.0.1:1")
          assert.strictEqual(await page.locator('#log li[data-kind="error"]').count(), 1)
        })
      }),
    30_000
  )

  it.live(
    "refuses what cannot work, and says what would",
    () =>
      Effect.gen(function* () {
        const { page, problems } = yield* open(echo)
        yield* Effect.promise(async () => {
          const url = await page.inputValue("#url")
          const error = async (form: string): Promise<string> => (await page.textContent(`#${form} .problem`))!
          for (const [wrong, expected] of [
            ["nonsense", "not a URL"],
            ["ftp://h/", "starts with ws://"],
            ["ws://h/#part", "leave out #part"]
          ] as const) {
            await page.fill("#url", wrong)
            await page.click("#connect")
            assert.include(await error("connection"), expected)
          }
          await page.fill("#url", url)
          await connect(page)
          for (const [wrong, expected] of [
            ["0", "one is missing"],
            ["zz", "“z” is not a hexadecimal digit"]
          ] as const) {
            await page.fill("#binary", wrong)
            await page.click("#send-binary")
            assert.include(await error("bytes"), expected)
          }
          for (const [code, reason, expected] of [
            ["1002", "", "1000, or 3000 to 4999"],
            ["", "why", "A reason can only follow a code"],
            ["1000", "é".repeat(62), "this one has 124"]
          ] as const) {
            await page.fill("#close-code", code)
            await page.fill("#close-reason", reason)
            await page.click("#disconnect")
            assert.include(await error("closing"), expected)
          }
          assert.strictEqual(await page.textContent("#status"), "Connected")
          assert.strictEqual(await page.locator('#log li[data-direction="out"]').count(), 0)
        })
        assert.deepStrictEqual(problems, [])
      }),
    30_000
  )

  it.live(
    "keeps the last 500 entries of a flood",
    () =>
      Effect.gen(function* () {
        const { page } = yield* open((socket) => {
          socket.onMessage(() => {
            for (let i = 0; i < 1500; i++) socket.send(`flood ${i}`)
          })
        })
        yield* Effect.promise(async () => {
          await connect(page)
          await page.click("#send-text")
          await page.locator("#received", { hasText: /^1,500$/ }).waitFor()
          assert.strictEqual(await page.locator("#log li").count(), 500)
          assert.include((await last(page, "").textContent())!, "flood 1499")
          assert.strictEqual(await page.textContent("#rtt"), "–")
        })
      }),
    30_000
  )
})
