/**
 * Writes `packages/effect-ws/src/modules`: for each public module of the packages below a file that exports it again,
 * so that `effect-ws/Client` is `@effect-ws/client/Client`. `src/index.ts` has the modules that most programs use, and
 * is written by hand.
 *
 * `node scripts/umbrella.ts` writes the files, with `--check` it fails if they are not what it would write. `lint`
 * checks.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./Packages.ts"

/** The packages whose modules `effect-ws` offers. `effect-ws/browser` has its own list, for pages. */
const packages = ["protocol", "transport", "extensions", "connection", "server", "client", "topics", "inspector"]

/** Modules of one name in two packages: the other one gets another name. */
const renamed: Readonly<Record<string, string>> = { "protocol/Extension": "SessionExtension" }

const folder = join(root, "packages/effect-ws/src/modules")

/** The content of each file, by its name. */
export const umbrellaModules = (): ReadonlyMap<string, string> => {
  const files = new Map<string, string>()
  for (const name of packages) {
    const index = readFileSync(join(root, "packages", name, "src/index.ts"), "utf8")
    for (const [, module] of index.matchAll(/^export \* as (\w+) from/gm)) {
      const file = `${renamed[`${name}/${module}`] ?? module}.ts`
      if (files.has(file)) throw new Error(`two modules would be effect-ws/${file}: rename one in scripts/umbrella.ts`)
      files.set(file, `export * from "@effect-ws/${name}/${module}"\n`)
    }
  }
  return files
}

/** Returns the names of files that are missing, wrong or too many. */
export const staleModules = (): ReadonlyArray<string> => {
  const expected = umbrellaModules()
  const found = new Map(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), "utf8")]))
  return [...new Set([...expected.keys(), ...found.keys()])].filter((file) => expected.get(file) !== found.get(file))
}

if (import.meta.main) {
  if (process.argv.includes("--check")) {
    const stale = staleModules()
    for (const file of stale) process.stderr.write(`packages/effect-ws/src/modules/${file} is stale\n`)
    if (stale.length > 0) {
      process.stderr.write("run `npx -y pnpm@12 exec node scripts/umbrella.ts`\n")
      process.exitCode = 1
    }
  } else {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    for (const [file, content] of umbrellaModules()) writeFileSync(join(folder, file), content)
  }
}
