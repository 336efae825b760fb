/**
 * The pages for contributors name files and scripts. A file that is renamed, or a script that is gone, is found here.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { publishedPackages, root } from "../Packages.ts"

const read = (path: string): string => readFileSync(join(root, path), "utf8")
const scripts = (JSON.parse(read("package.json")) as { readonly scripts: Readonly<Record<string, string>> }).scripts
const pages = ["CONTRIBUTING.md", "AGENTS.md", "SECURITY.md", ".github/pull_request_template.md"]

describe("the pages for contributors", () => {
  it.each(pages)("%s names files that exist", (page) => {
    const text = read(page)
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      assert.isTrue(existsSync(join(root, dirname(page), target!)), target)
    }
    for (const [file] of text.matchAll(/(?<=`)(?:packages|scripts|docs|\.ci)\/[\w./-]*[\w/](?=`)/g)) {
      assert.isTrue(existsSync(join(root, file)), file)
    }
  })

  it.each(pages)("%s names scripts that exist", (page) => {
    // Commands of pnpm itself, and of its dependencies.
    const others = ["exec", "install"]
    for (const [, script] of read(page).matchAll(/pnpm@12 ([\w:]+)/g)) {
      if (!others.includes(script!)) assert.property(scripts, script!)
    }
  })

  it("name every published package", () => {
    const text = read("CONTRIBUTING.md")
    for (const { directory } of publishedPackages()) {
      assert.include(text, `\`${directory.slice(directory.lastIndexOf("/") + 1)}\``)
    }
  })
})

describe("the packages", () => {
  it.each(publishedPackages().map((self) => [self.name, self] as const))("%s says what npm shows", (_, self) => {
    const manifest = JSON.parse(readFileSync(join(self.directory, "package.json"), "utf8")) as Record<string, unknown>
    for (const field of ["description", "license", "author", "homepage", "repository", "bugs", "keywords", "engines"]) {
      assert.property(manifest, field)
    }
    assert.isTrue(existsSync(join(self.directory, "README.md")))
  })
})
