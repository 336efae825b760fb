import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "../Packages.ts"
import { staleModules, umbrellaModules } from "../umbrella.ts"

describe("effect-ws", () => {
  it("offers every public module under its own name", () => {
    assert.deepStrictEqual(staleModules(), [])
    const modules = umbrellaModules()
    assert.strictEqual(modules.get("Client.ts"), `export * from "@effect-ws/client/Client"\n`)
    assert.strictEqual(modules.get("HeadParser.ts"), `export * from "@effect-ws/protocol/HeadParser"\n`)
    assert.strictEqual(modules.get("Extension.ts"), `export * from "@effect-ws/extensions/Extension"\n`)
    assert.strictEqual(modules.get("SessionExtension.ts"), `export * from "@effect-ws/protocol/Extension"\n`)
  })

  it("has about twenty modules in its index, none of which hides a global", () => {
    const index = readFileSync(join(root, "packages/effect-ws/src/index.ts"), "utf8")
    const names = [...index.matchAll(/^export \* as (\w+) from "@effect-ws\/\w+\/(\w+)"$/gm)]
    assert.isAtMost(names.length, 25)
    assert.isAtLeast(names.length, 15)
    // What a page has and Node does not.
    const page = [
      "Window",
      "Document",
      "Node",
      "Element",
      "Text",
      "Range",
      "Selection",
      "Location",
      "History",
      "Plugin"
    ]
    for (const [, name = "", module] of names) {
      assert.strictEqual(name, module)
      assert.isFalse(name in globalThis || page.includes(name), name)
    }
  })
})
