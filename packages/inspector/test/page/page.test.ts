import * as Client from "@effect-ws/client/Client"
import * as Chromium from "@effect-ws/test-support/Chromium"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { Script } from "node:vm"
import * as InspectorPage from "../../src/internal/page.ts"
import * as files from "../../src/page/files.ts"
import * as Recording from "../../src/Recording.ts"
import { open, says, served, url } from "../support/openPage.ts"

describe("the inspector's page", () => {
  const page = InspectorPage.page()

  it("loads nothing from elsewhere", () => {
    assert.notMatch(page.html.replace(/href="data:[^"]*"/, ""), /\b(?:src|href|action)=/)
    assert.notMatch(files.style, /url\(|@import/)
    assert.notMatch(files.script, /\b(?:fetch|XMLHttpRequest|eval|innerHTML|insertAdjacentHTML)\b/)
    assert.strictEqual(page.html.split("</script").length, 2)
  })

  it("allows exactly its own script and style", () => {
    const hash = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`
    const policy = page.headers["Content-Security-Policy"]!
    assert.include(policy, `script-src ${hash(files.script)}`)
    assert.include(policy, `style-src ${hash(files.style)}`)
    assert.notInclude(policy, "unsafe")
  })

  it("holds a script of one scope that parses", () => {
    assert.doesNotThrow(() => new Script(files.script))
  })

  it("has each id once, and each label has its field", () => {
    const ids = [...files.html.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]!)
    assert.deepStrictEqual(ids, [...new Set(ids)])
    for (const [, target] of files.html.matchAll(/ for="([^"]+)"/g)) assert.include(ids, target!)
    for (const [, target] of files.script.matchAll(/(?:\$|input|button|find)\("([^"]+)"[,)]/g)) {
      if (target !== "tab-") assert.include(ids, target!)
    }
  })
})

describe.skipIf(Chromium.isLeftOut)("the inspector's page in Chromium (left out where Chromium is missing)", () => {
  it.live(
    "lists connections, shows the frames of one, saves its recording, and closes it",
    () =>
      Effect.gen(function* () {
        const client = yield* Client.connect(url, { headers: [{ name: "Cookie", value: "secret" }] })
        const { page, problems } = yield* open
        const row = page.locator('#space [role="row"]')
        yield* Effect.promise(async () => {
          await row.first().waitFor()
          assert.strictEqual(await row.count(), 1)
          assert.include(await row.textContent(), "/chat")
          await row.click()
          await page.waitForSelector("#detail:not([hidden])")
          await says(page, "#no-frames", /^None since/)
        })
        yield* client.send("hello <b>")
        yield* client.receive
        const download = yield* Effect.promise(async () => {
          await page.locator("#frames li").nth(1).waitFor()
          const [newest, oldest] = await page.locator("#frames li").allTextContents()
          assert.include(newest, "↑text")
          assert.include(oldest, "↓text")
          assert.include(oldest, "hello <b>")
          assert.strictEqual(await page.locator("#timeline rect").count(), 2)
          await page.click("#request summary")
          assert.include(await page.textContent("#headers"), "[redacted]")
          assert.notInclude(await page.content(), "secret")
          const saving = page.waitForEvent("download")
          await page.click("#save")
          return (await saving).path()
        })
        const recording = yield* Recording.parse(readFileSync(download, "utf8"))
        assert.deepStrictEqual(
          recording.frames.map(({ text }) => text),
          ["hello <b>", "hello <b>"]
        )
        yield* Effect.promise(async () => {
          await page.click("#close")
          await page.fill("#close-code", "4003")
          await page.fill("#close-reason", "from the page")
          await page.click('#closing button[type="submit"]')
        })
        assert.include((yield* client.closed).error, { code: 4003, reason: "from the page" })
        yield* Effect.promise(async () => {
          await says(page, "#tab-open-count", "0")
          await page.click("#tab-closed")
          await row.first().waitFor()
          assert.match((await row.textContent())!, /4003.*from the page.*server/)
        })
        yield* Effect.flip(Client.connect("ws://echo.test/other"))
        yield* Effect.promise(async () => {
          await page.click("#tab-refused")
          await says(page, "#space", /UnknownLocation/)
        })
        assert.deepStrictEqual(problems, [])
      }).pipe(Effect.provide(served({ allowClose: true, updateInterval: "50 millis" }))),
    60_000
  )

  it.live(
    "has rows for what is in sight only, sorts and filters all, and offers nothing that is not allowed",
    () =>
      Effect.gen(function* () {
        const clients = yield* Effect.forEach(Array.from({ length: 300 }), () => Client.connect(url), {
          concurrency: 32
        })
        const { page, problems } = yield* open
        yield* clients[200]!.send("busy")
        yield* clients[200]!.receive
        yield* Effect.promise(async () => {
          await says(page, "#tab-open-count", "300")
          const rows = page.locator('#space [role="row"]:not([hidden])')
          const shown = await rows.count()
          assert.isAbove(shown, 5)
          assert.isBelow(shown, 60)
          assert.strictEqual(await page.getAttribute("#grid", "aria-rowcount"), "301")
          await page.click('#head button:text-is("Received")')
          await page
            .locator('#space [aria-rowindex="2"] [data-align="end"]')
            .filter({ hasText: /^1$/ })
            .first()
            .waitFor()
          await page.click('#head button:text-is("#")')
          await page.click('#head button:text-is("#")')
          await page.focus("#grid")
          await page.keyboard.press("End")
          const last = await page.getAttribute('#space [aria-selected="true"]', "aria-rowindex")
          assert.strictEqual(last, "301")
          assert.isTrue(await page.isHidden("#close"))
          assert.isTrue(await page.isHidden("#drain"))
          await page.keyboard.press("Escape")
          await page.fill("#filter", "no such path")
          await says(page, "#none", /matches/)
          assert.strictEqual(await rows.count(), 0)
          await page.fill("#filter", "/chat")
          await says(page, "#matches", "300 of 300")
        })
        assert.deepStrictEqual(problems, [])
      }).pipe(Effect.provide(served({ updateInterval: "100 millis" }))),
    60_000
  )
})
