/**
 * What the pages in `docs` show must at least compile, and what they link to must exist. Blocks that are a file of the
 * examples are compared with it where that file is tested.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../../..")
const folder = resolve(import.meta.dirname, "../build/docs")

const pages = ["lifecycle", "limits"].map((name) => {
  const path = join(root, "docs", `${name}.md`)
  return { name, path, text: readFileSync(path, "utf8") }
})

describe("the documentation", { timeout: 60_000 }, () => {
  it("shows code that the compiler accepts", () => {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    let blocks = 0
    for (const { name, text } of pages) {
      for (const [, code] of text.matchAll(/^```ts\n([^]*?)^```$/gm)) {
        writeFileSync(join(folder, `${name}-${++blocks}.ts`), code!)
      }
    }
    assert.isAtLeast(blocks, pages.length)
    // What a block defines is for its reader to use.
    const compilerOptions = {
      noEmit: true,
      composite: false,
      incremental: false,
      types: ["node"],
      noUnusedLocals: false
    }
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ extends: join(root, "tsconfig.base.json"), compilerOptions, include: ["*.ts"] })
    )
    const { status, stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" })
    assert.strictEqual(status, 0, stdout)
  })

  it.each(pages.map(({ name }) => name))("%s links to files that exist", (name) => {
    const { path, text } = pages.find((page) => page.name === name)!
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      assert.isTrue(existsSync(join(dirname(path), target!)), target)
    }
  })
})
