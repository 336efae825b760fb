import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { readPage } from "../../src/page/readPage.ts"

const read = (files: Readonly<Record<string, string>>) => {
  const folder = mkdtempSync(join(tmpdir(), "page-"))
  try {
    for (const [name, text] of Object.entries({ "index.html": "", "style.css": "", "client.js": "", ...files }))
      writeFileSync(join(folder, name), text)
    return readPage(pathToFileURL(folder + "/"))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe("readPage", () => {
  it("puts each module once, after those that it imports", () => {
    const { script } = read({
      "client.js": 'import { a } from "./a.js"\nimport {\n  b\n} from "./b.js"\na(b)\n',
      "a.js": '/** @import { T } from "./b.js" */\nimport { b } from "./b.js"\nexport const a = (c) => c + b\n',
      "b.js": "export let b = 1\n"
    })
    assert.strictEqual(script, "let b = 1\n\nconst a = (c) => c + b\n\na(b)\n")
  })

  it("puts style sheets in the place of their imports", () => {
    const { style } = read({
      "style.css": '@import "./base.css";\np {\n}\n',
      "base.css": "h1 {\n}\n"
    })
    assert.strictEqual(style, "h1 {\n}\np {\n}\n")
  })

  it("refuses imports and exports that one scope cannot have", () => {
    for (const line of ['import { a as b } from "./a.js"', 'import * as a from "./a.js"', "export default 1"]) {
      assert.throws(() => read({ "client.js": line + "\n", "a.js": "" }), /client\.js/)
    }
  })
})
