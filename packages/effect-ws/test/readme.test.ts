/**
 * What the README shows must work: its TypeScript is cut out, checked by the compiler, and run. Blocks that are tests
 * become tests of this file; a block that is a program is started, and talked to.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Client from "./support/Client.ts"

const root = resolve(import.meta.dirname, "../../..")
const folder = resolve(import.meta.dirname, "../build/readme")

const readme = readFileSync(join(root, "README.md"), "utf8")
const blocks = [...readme.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, code], at) => ({
  path: join(folder, `block-${at + 1}.ts`),
  code: code!
}))

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
for (const { code, path } of blocks) writeFileSync(path, code)

const isTest = (block: { readonly code: string }): boolean => block.code.includes("@effect/vitest")

describe("README", { timeout: 60_000 }, () => {
  it("shows TypeScript", () => {
    assert.isAtLeast(blocks.filter(isTest).length, 2)
    assert.strictEqual(blocks.filter((block) => !isTest(block)).length, 1)
  })

  it("shows code that the compiler accepts", () => {
    const compilerOptions = { noEmit: true, composite: false, incremental: false, types: ["node"] }
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ extends: join(root, "tsconfig.base.json"), compilerOptions, include: ["block-*.ts"] })
    )
    const { status, stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" })
    assert.strictEqual(status, 0, stdout)
  })

  it.live("shows an echo server that echoes, and drains", () =>
    Effect.gen(function* () {
      const { code, path } = blocks.find((block) => !isTest(block))!
      assert.include(code, "port: 8000")
      // The port that the README names may be taken here.
      writeFileSync(path, code.replace("port: 8000", "port: 0"))
      const program = yield* Effect.acquireRelease(
        Effect.sync(() => spawn(process.execPath, [path], { stdio: ["ignore", "pipe", "inherit"] })),
        (program) => Effect.sync(() => void program.kill("SIGKILL"))
      )
      const port = yield* Effect.callback<string>((resume) => {
        let printed = ""
        program.stdout.on("data", (chunk: Buffer) => {
          printed += chunk.toString()
          const match = /Listening on 127\.0\.0\.1:(\d+)/.exec(printed)
          if (match !== null) resume(Effect.succeed(match[1]!))
        })
        program.once("exit", () => resume(Effect.die(new Error(`the program ended:\n${printed}`))))
      })
      const client = yield* Client.open(`ws://127.0.0.1:${port}`)
      yield* client.send("hello")
      assert.strictEqual(yield* client.receive, "hello")
      program.kill("SIGTERM")
      assert.strictEqual((yield* client.closed).code, 1001)
    })
  )

  it("links to files that exist", () => {
    const targets = [...readme.matchAll(/(?:\]\(|src="|srcset=")(?!https?:)([^)"#]+)/g)].map((match) => match[1]!)
    assert.isAtLeast(targets.length, 5)
    for (const target of targets) assert.isTrue(existsSync(join(root, target)), target)
  })
})

for (const { path } of blocks.filter(isTest)) {
  await import(path)
}
