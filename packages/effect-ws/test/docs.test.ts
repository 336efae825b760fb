/**
 * What the pages show must work. Every block of TypeScript is cut out and checked by the compiler, and every block of
 * any kind is covered by name: it is a test, or a file of the examples, or run by a test in `docs`, or there is a
 * reason why it is not. A block that no test covers fails.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { pathToFileURL } from "node:url"
import * as Clients from "./docs/Clients.ts"
import * as Commands from "./docs/Commands.ts"
import * as Deployment from "./docs/Deployment.ts"
import * as Guides from "./docs/Guides.ts"
import * as Handshakes from "./docs/Handshakes.ts"
import * as Http2 from "./docs/Http2.ts"
import * as Inspector from "./docs/Inspector.ts"
import * as Scale from "./docs/Scale.ts"
import * as Servers from "./docs/Servers.ts"
import * as Pages from "./support/Pages.ts"

const covers: Pages.Covers = {
  ...Clients.covers,
  ...Commands.covers,
  ...Deployment.covers,
  ...Guides.covers,
  ...Handshakes.covers,
  ...Http2.covers,
  ...Inspector.covers,
  ...Scale.covers,
  ...Servers.covers
}

Pages.write()

describe("the pages", { timeout: 60_000 }, () => {
  it("show nothing that no test covers", () => {
    const uncovered = Pages.blocks.filter(({ name }) => covers[name] === undefined)
    assert.deepStrictEqual(
      uncovered.map(
        ({ info, name, place }) => `${place} (${info}): no test in packages/effect-ws/test/docs has ${name}`
      ),
      []
    )
    const names = new Set(Pages.blocks.map(({ name }) => name))
    assert.deepStrictEqual(
      Object.keys(covers).filter((name) => !names.has(name)),
      [],
      "covered, and on no page"
    )
  })

  it("say the language of every block", () => {
    for (const { info, place } of Pages.blocks) assert.match(info, /^(?:ts|sh|text|mermaid|nginx|yaml|ini)$/, place)
  })

  it("show code that the compiler accepts", () => {
    const tsc = join(Pages.root, "node_modules/.bin/tsc")
    const { status, stdout } = spawnSync(tsc, ["-p", Pages.folder], { encoding: "utf8" })
    const places = Pages.blocks.map(({ name, place }) => `${name} is ${place}`)
    assert.strictEqual(status, 0, `${stdout}\n${places.join("\n")}`)
  })

  it.each(Pages.pages.map(({ path }) => path))("%s leads to what exists", (path) => {
    const { text } = Pages.pages.find((page) => page.path === path)!
    const prose = text.replaceAll(/^```[^]*?^```$/gm, "")
    for (const match of prose.matchAll(/(?:\]\(|src="|srcset=")(?!https?:)([^)"#]*)(#[^)"]*)?/g)) {
      const target = match[1] === "" ? join(Pages.root, path) : join(Pages.root, dirname(path), match[1]!)
      assert.isTrue(existsSync(target), match[0])
      if (match[2] === undefined) continue
      const headings = [...readFileSync(target, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
        heading!
          .toLowerCase()
          .replaceAll(/[^\w\- ]/g, "")
          .replaceAll(" ", "-")
      )
      assert.include(headings, match[2].slice(1), match[0])
    }
    // Files and scripts that are named in the text.
    for (const [named] of prose.matchAll(/(?<=[`\s])packages\/[\w./-]*\w/g)) {
      assert.isTrue(existsSync(join(Pages.root, named)), named)
    }
    for (const [, script] of text.matchAll(/pnpm@12 (?:--silent )?([\w:-]+)/g)) {
      assert.property(Pages.scripts, script!)
    }
  })

  it("are all found from the README", () => {
    const { blocks, text } = Pages.pages[0]!
    assert.isAtLeast([...text.matchAll(/(?:\]\(|src="|srcset=")(?!https?:)[^)"#]+/g)].length, 5)
    for (const { path } of Pages.pages.slice(1)) assert.include(text, `](${path})`)
    const kinds = blocks.map(({ name }) => covers[name]?._tag)
    assert.isAtLeast(kinds.filter((kind) => kind === "Test").length, 1)
  })
})

/**
 * The first figure of a text, whatever its unit: `8 KiB` is 8192, and 5 minutes are 300 seconds; or `true`, or `false`.
 */
const figure = (text: string): string | undefined => {
  const units = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, ms: 1 / 1000, minutes: 60 } as const
  const [first, digits, unit] = /\b(?:true|false|(\d[\d ]*)(?:\s?(KiB|MiB|GiB|ms|minutes))?)(?!\w)/.exec(text) ?? []
  if (digits === undefined) return first
  return String(Number(digits.replaceAll(" ", "")) * (unit === undefined ? 1 : units[unit as keyof typeof units]))
}

describe("the tables of options", () => {
  // Not one walk over all of packages: their node_modules link to each other, in circles.
  const files = readdirSync(join(Pages.root, "packages"))
    .map((name) => `${name}/src`)
    .filter((folder) => existsSync(join(Pages.root, "packages", folder)))
    .flatMap((folder) =>
      readdirSync(join(Pages.root, "packages", folder), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts"))
        .map((file) => `${folder}/${file}`)
    )
  const defaults = new Map<string, Array<string>>()
  for (const file of files) {
    const source = readFileSync(join(Pages.root, "packages", file), "utf8")
    for (const [, comment, name] of source.matchAll(/\/\*\*((?:(?!\*\/)[^])*)\*\/\s*readonly (\w+)\??:/g)) {
      const said = /Default:?\s([^]*)/.exec(comment!.replaceAll(/\n\s*\*/g, ""))?.[1]
      defaults.set(name!, [...(defaults.get(name!) ?? []), figure(said ?? "") ?? ""])
    }
  }

  for (const { path, text } of Pages.pages) {
    const rows = [...text.matchAll(/(?:^\|.*\|\n)+/gm)].flatMap(([table]) => {
      const [header, , ...lines] = table
        .trim()
        .split("\n")
        .map((line) => line.split("|").map((cell) => cell.trim()))
      const column = header!.indexOf("default")
      return lines.flatMap((cells) => {
        // Where there are several names, their defaults are in the same order; one is for all of them.
        const values = cells[column]?.split(",") ?? []
        return [...cells[1]!.matchAll(/`(\w+)`/g)].flatMap(([, name], at) => {
          const value = values[at] ?? values[0]
          return value === undefined ? [] : [{ name: name!, shown: figure(value) }]
        })
      })
    })
    if (rows.length === 0) continue
    it(`${path} says the defaults that the sources say`, () => {
      for (const { name, shown } of rows) {
        assert.isTrue(defaults.has(name), `there is no option ${name}`)
        if (shown !== undefined) assert.include(defaults.get(name)!, shown, name)
      }
    })
  }
})

for (const { blocks, path } of Pages.pages.filter(({ blocks }) => blocks.length > 0)) {
  describe(path, { timeout: 60_000 }, () => {
    for (const block of blocks) {
      const cover = covers[block.name]
      switch (cover?._tag) {
        case "Run": {
          it.live(`${block.name} ${cover.title}`, () => Effect.scoped(cover.test))
          break
        }
        case "Example": {
          it(`${block.name} is ${cover.file}, word for word`, () => {
            const source = readFileSync(join(Pages.root, cover.file), "utf8")
            // All but the introduction, which the page gives in its own words.
            assert.strictEqual(source.replace(/^\/\*\*[^]*?\*\/\n/, ""), block.code)
            const imported = `../${cover.file.slice(cover.file.indexOf("src/"))}`
            assert.include(readFileSync(join(Pages.root, cover.test), "utf8"), `from "${imported}"`)
          })
          break
        }
        case "Test": {
          it(`${block.name} is a test`, () => assert.isTrue(Pages.isTypeScript(block) && Pages.isTest(block)))
          break
        }
        case "Shown": {
          it(`${block.name} is not run: ${cover.why}`, () => assert.isFalse(Pages.isTest(block)))
          break
        }
        case undefined:
      }
    }
  })
}

for (const block of Pages.blocks) {
  if (Pages.isTypeScript(block) && Pages.isTest(block)) await import(pathToFileURL(block.path).href)
}
