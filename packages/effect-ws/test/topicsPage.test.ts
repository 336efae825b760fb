/**
 * What docs/topics.md shows must work: its TypeScript is cut out, checked by the compiler, and becomes tests of this file.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../../..")
const folder = resolve(import.meta.dirname, "../build/topics-page")

const blocks = [...readFileSync(join(root, "docs/topics.md"), "utf8").matchAll(/^```ts\n([^]*?)^```$/gm)].map(
  ([, code], at) => ({ path: join(folder, `block-${at + 1}.ts`), code: code! })
)

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
for (const { code, path } of blocks) writeFileSync(path, code)

describe("docs/topics.md", { timeout: 60_000 }, () => {
  it("shows code that the compiler accepts", () => {
    assert.strictEqual(blocks.length, 2)
    const compilerOptions = { noEmit: true, composite: false, incremental: false, types: ["node"] }
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ extends: join(root, "tsconfig.base.json"), compilerOptions, include: ["block-*.ts"] })
    )
    const { status, stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" })
    assert.strictEqual(status, 0, stdout)
  })
})

for (const { path } of blocks) await import(path)
