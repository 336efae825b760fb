/**
 * Proves that what would be published works for someone who has nothing else: packs each published package, installs
 * the tarballs with npm into an empty folder together with `effect` and `@effect/platform-node`, checks the declarations,
 * imports every module as JavaScript and runs an echo, on the workspace's Node and on the machine's own where that is
 * another one. The packed command line serves, answers a client of its own, and stops when told to.
 *
 * Run it after `build`.
 */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { publishedPackages, root } from "./Packages.ts"
import { modulesOf, pack, run } from "./Tarballs.ts"

const installedVersion = (name: string): string =>
  (JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")) as { version: string }).version

/** The first Node on the PATH that is not the workspace's. */
const systemNode = (): string | undefined =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes("node_modules"))
    .map((folder) => join(folder, "node"))
    .find((file) => existsSync(file))

const folder = mkdtempSync(join(tmpdir(), "effect-ws-smoke-"))
try {
  const packages = publishedPackages()
  const dependencies: Record<string, string> = {}
  for (const self of packages) dependencies[self.name] = `file:${pack(self, folder)}`
  for (const name of ["effect", "@effect/platform-node", "@types/node"]) dependencies[name] = installedVersion(name)
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }))
  run(folder, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error")
  process.stdout.write(`installed ${packages.map(({ name, version }) => `${name}@${version}`).join(", ")}\n`)

  const modules = packages.flatMap(modulesOf)
  writeFileSync(join(folder, "imports.mjs"), modules.map((name) => `await import("${name}")\n`).join(""))
  for (const name of ["echo.mjs", "serve.mjs"]) copyFileSync(join(root, "scripts/smoke", name), join(folder, name))

  writeFileSync(
    join(folder, "types.ts"),
    modules
      .map((name, index) => `import * as m${index} from "${name}"\nexport type T${index} = typeof m${index}\n`)
      .join("")
  )
  const compilerOptions = { noEmit: true, strict: true, module: "nodenext", target: "es2024", types: ["node"] }
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["types.ts"] }))
  run(folder, join(root, "node_modules/.bin/tsc"), "-p", ".")
  process.stdout.write(`types of ${modules.length} modules resolve\n`)

  for (const node of new Set([process.execPath, systemNode() ?? process.execPath])) {
    const version = run(folder, node, "--version").trim()
    run(folder, node, "imports.mjs")
    const echo = run(folder, node, "echo.mjs").trim()
    const served = run(folder, node, "serve.mjs").trim()
    process.stdout.write(`node ${version}: ${modules.length} modules import, the server ${echo}, ${served}\n`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
