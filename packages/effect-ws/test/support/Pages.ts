/**
 * The README and the pages of `docs`, and the blocks of code in them: each is written down for the compiler, and for a
 * test that runs it.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import * as Child from "./Child.ts"

export const root = resolve(import.meta.dirname, "../../../..")

/** Where the blocks are: beside the sources of this package, so that they find what it depends on. */
export const folder = resolve(import.meta.dirname, "../../build/docs")

/** What stands between two fences. */
export interface Block {
  /** Such as `client-3` for the third of docs/client.md, whatever the languages of the others are. */
  readonly name: string
  /** Where it begins, as in `docs/client.md:91`. */
  readonly place: string
  /** All that stands behind the opening fence. */
  readonly info: string
  readonly code: string
  /** The file that a block of TypeScript is in. */
  readonly path: string
}

/** A page. */
export interface Page {
  /** Such as `client`. */
  readonly name: string
  /** Relative to the root, such as `docs/client.md`. */
  readonly path: string
  readonly text: string
  readonly blocks: ReadonlyArray<Block>
}

const read = (path: string): Page => {
  const text = readFileSync(join(root, path), "utf8")
  const name = basename(path, ".md").toLowerCase()
  const blocks = [...text.matchAll(/^( *)(`{3,}|~{3,})(.*)\n([^]*?)^\1\2 *$/gm)].map((match, at): Block => {
    const place = `${path}:${text.slice(0, match.index).split("\n").length}`
    return {
      name: `${name}-${at + 1}`,
      place,
      info: match[3]!.trim(),
      code: match[4]!,
      path: join(folder, `${name}-${at + 1}.ts`)
    }
  })
  return { name, path, text, blocks }
}

/** All pages, the README first. */
export const pages: ReadonlyArray<Page> = [
  "README.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .sort()
    .map((file) => `docs/${file}`)
].map(read)

export const blocks: ReadonlyArray<Block> = pages.flatMap((page) => page.blocks)

/** Finds a block by its name. */
export const block = (name: string): Block => {
  const found = blocks.find((candidate) => candidate.name === name)
  if (found === undefined) throw new Error(`there is no block ${name}`)
  return found
}

/** The scripts of the workspace, by name. */
export const scripts = (
  JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly scripts: Readonly<Record<string, string>> }
).scripts

export const isTypeScript = ({ info }: Block): boolean => /^(?:ts|typescript|tsx)\b/.test(info)

/** Whether it is a test, which runs when its file is imported. */
export const isTest = ({ code }: Block): boolean => code.includes('from "@effect/vitest"')

const isProgram = ({ code }: Block): boolean => code.includes("runMain")

/**
 * The code, and an export of whatever it defines and does not export. A page shows how a thing is made, and leaves to
 * its reader what becomes of it; here it is for a test to use, and so the compiler does not call it unused.
 */
const withExports = (block: Block): string => {
  if (isTest(block) || isProgram(block)) return block.code
  const names = [...block.code.matchAll(/^(?:const|class|function|let) (\w+)/gm)].map(([, name]) => name!)
  return names.length === 0 ? block.code : `${block.code}\nexport { ${names.join(", ")} }\n`
}

/** Writes all blocks of TypeScript down, and beside them how the compiler is to check them, in one go. */
export const write = (): void => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const shown = blocks.filter(isTypeScript)
  for (const block of shown) writeFileSync(block.path, withExports(block))
  // The sources of the packages are checked too, and the protocol's are for browsers as well.
  const lib = ["ES2024", "DOM"]
  const compilerOptions = { noEmit: true, composite: false, incremental: false, types: ["node"], lib }
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: join(root, "tsconfig.base.json"),
      compilerOptions,
      files: shown.map(({ path }) => basename(path))
    })
  )
}

/** What takes the place of what, in a block that is run: text that must be there. */
export type Edits = ReadonlyArray<readonly [text: string, replacement: string]>

const edit = (name: string, code: string, edits: Edits): string =>
  edits.reduce((code, [text, replacement]) => {
    if (!code.includes(text)) throw new Error(`${block(name).place} does not say ${text}`)
    return code.replaceAll(text, () => replacement)
  }, code)

/** Writes a block down once more, with what is different here, such as a port that is free; gives the path. */
export const stage = (name: string, edits: Edits): string => {
  const path = join(folder, `${name}-staged.ts`)
  writeFileSync(path, edit(name, withExports(block(name)), edits))
  return path
}

/** Stages a block and imports it: gives whatever it defines. What that is, the compiler was told by the page. */
export const load = <Defined>(name: string, edits: Edits = []): Effect.Effect<Defined> =>
  Effect.promise(() => import(pathToFileURL(stage(name, edits)).href) as Promise<Defined>)

/** Starts a block as a program of its own. */
export const start = (name: string, edits: Edits): Effect.Effect<Child.Running, never, Scope.Scope> =>
  Effect.suspend(() => Child.launch(process.execPath, [stage(name, edits)]))

/** Starts a block that is a server, and waits until it logs where it listens. */
export const startServer = Effect.fnUntraced(function* (name: string, edits: Edits) {
  const running = yield* start(name, edits)
  const listening = yield* running.find("stdout", /Listening on \S*?:(\d+)/)
  return { ...running, port: Number(listening[1]) }
})

/** The commands of a block of shell, a line that goes on joined with the next. */
export const commands = (name: string): ReadonlyArray<string> =>
  block(name)
    .code.replaceAll(/ *\\\n */g, " ")
    .trim()
    .split("\n")

/** A command as it is run here: the script itself in place of `pnpm`, by this very Node, and what else is different. */
export const command = (name: string, at: number, edits: Edits = []): string =>
  edit(name, commands(name)[at] ?? "", edits).replace(/npx -y pnpm@12 (?:--silent )?([\w:-]+)/, (_, script: string) => {
    const line = scripts[script]
    if (line === undefined) throw new Error(`${block(name).place}: there is no script ${script}`)
    return line.replace(/^node (?=packages\/)/, () => `'${process.execPath}' ${root}/`)
  })

/** Starts a command that does not end by itself, so that it ends with the Scope. */
export const startCommand = (
  line: string,
  directory: string = root
): Effect.Effect<Child.Running, never, Scope.Scope> => Child.launch("sh", ["-c", `cd '${directory}' && exec ${line}`])

/** What is done about a block, beside the compiler's check. */
export type Cover =
  /** The block is a test: it is run as one. */
  | { readonly _tag: "Test" }
  /** It is a file of the examples, which a test of theirs runs: here it is compared with that, word for word. */
  | { readonly _tag: "Example"; readonly file: string; readonly test: string }
  /** It is run by this test. */
  | { readonly _tag: "Run"; readonly title: string; readonly test: Effect.Effect<void, unknown, Scope.Scope> }
  /** It is not run, for a reason. */
  | { readonly _tag: "Shown"; readonly why: string }

/** What covers which block. */
export type Covers = Readonly<Record<string, Cover>>

export const itself: Cover = { _tag: "Test" }

export const example = (name: string, test: string): Cover => ({
  _tag: "Example",
  file: `packages/examples/src/${name}.ts`,
  test: `packages/examples/test/${test}.test.ts`
})

export const run = (title: string, test: Effect.Effect<void, unknown, Scope.Scope>): Cover => ({
  _tag: "Run",
  title,
  test
})

export const shown = (why: string): Cover => ({ _tag: "Shown", why })
