/**
 * Tests of programs that use this library end when they are over, although Effect's `TestClock` does not move any more:
 * vitest runs `fixtures/teardown.spec.ts`, written as users write theirs, in a process of its own.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { launch } from "./support/Child.ts"
import { root } from "./support/Pages.ts"

interface Report {
  readonly testResults: ReadonlyArray<{
    readonly assertionResults: ReadonlyArray<{
      readonly fullName: string
      readonly status: "passed" | "failed"
      readonly failureMessages: ReadonlyArray<string>
    }>
    readonly message: string
  }>
}

const vitest = join(root, "node_modules/vitest/vitest.mjs")

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ws-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

describe("a test under TestClock", { timeout: 120_000 }, () => {
  it.live("ends as soon as its program does, and shows the assertion that failed", () =>
    Effect.gen(function* () {
      const fixtures = join(root, "packages/effect-ws/test/fixtures")
      const folder = yield* temporaryFolder
      const outputFile = join(folder, "report.json")
      const child = yield* launch(process.execPath, [
        vitest,
        "run",
        `--root=${fixtures}`,
        "--reporter=json",
        `--outputFile=${outputFile}`
      ])
      const { stderr } = yield* child.ended
      assert.isTrue(existsSync(outputFile), stderr)
      const report = JSON.parse(readFileSync(outputFile, "utf8")) as Report
      const [file] = report.testResults
      assert.strictEqual(file?.message, "", stderr)
      const wrong = file!.assertionResults.filter(({ failureMessages, fullName, status }) =>
        fullName.includes("fails with the assertion")
          ? !failureMessages.some((message) => message.includes("what it should be"))
          : status !== "passed"
      )
      assert.deepStrictEqual(wrong, [])
      assert.isAtLeast(file!.assertionResults.length, 38)
    }).pipe(Effect.scoped)
  )
})
