/**
 * Proves that what would be published works for a user who has nothing else: packs each published package and installs
 * the tarballs, with `effect` and `@effect/platform-node`, into empty folders by npm, pnpm and yarn (which, with
 * Plug'n'Play, finds no package that is not declared). In each folder every module is imported, also by `require`.
 *
 * npm's folder serves for the rest. The declarations are checked in full (`skipLibCheck: false`) by each TypeScript and
 * each way to resolve modules that users have. The program of each package's README runs. On each Node an echo server
 * runs, and the packed command line serves, answers a client of its own, and stops when told to.
 *
 * Run it after `build`.
 */
import { execFile } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { promisify } from "node:util"
import { publishedPackages, root } from "./Packages.ts"
import type { PublishedPackage } from "./Packages.ts"
import { modulesOf, packAll, run } from "./Tarballs.ts"

/** The oldest Node that `engines` allows. */
const oldestNode = "22.19.0"
const typescripts = ["5.9.3", "6.0.3", "7.0.2"]
const resolutions = ["nodenext", "bundler"]
const yarn = "@yarnpkg/cli-dist@4.18.1"

const exec = promisify(execFile)

/** Runs a command beside others. */
const start = async (folder: string, command: string, ...args: ReadonlyArray<string>): Promise<void> => {
  try {
    await exec(command, args, { cwd: folder, timeout: 180_000 })
  } catch (error) {
    const { message, stderr, stdout } = error as Error & { readonly stdout?: string; readonly stderr?: string }
    throw new Error(`${message}\n${stdout ?? ""}${stderr ?? ""}`, { cause: error })
  }
}

/** Says what is proved, and after how many seconds. */
const say = (line: string): boolean => process.stdout.write(`${Math.round(performance.now() / 1000)} s: ${line}\n`)

const write = (folder: string, name: string, content: unknown): void =>
  writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content, undefined, 2))

const installedVersion = (name: string): string =>
  (JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")) as { version: string }).version

/** The first Node on the PATH that is not the workspace's, unless it is older than those that are supported. */
const systemNode = (): ReadonlyArray<string> =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes("node_modules"))
    .map((folder) => join(folder, "node"))
    .filter((file) => existsSync(file))
    .slice(0, 1)
    .filter((file) => run(root, file, "--version").localeCompare(`v${oldestNode}`, "en", { numeric: true }) >= 0)

/** A folder with a package.json, and the programs that import every module. */
const makeConsumer = (
  name: string,
  manifest: Readonly<Record<string, unknown>>,
  modules: ReadonlyArray<string>
): string => {
  const consumer = join(folder, name)
  mkdirSync(consumer)
  write(consumer, "package.json", { name: `consumer-${name}`, private: true, type: "module", ...manifest })
  write(consumer, "imports.mjs", modules.map((name) => `await import("${name}")\n`).join(""))
  write(consumer, "requires.cjs", modules.map((name) => `require("${name}")\n`).join(""))
  return consumer
}

/** The program of a package's README, and what the README says that it prints. */
const readmeOf = (self: PublishedPackage): { readonly code: string; readonly printed: ReadonlyArray<string> } => {
  const text = readFileSync(join(self.directory, "README.md"), "utf8")
  const code = /^```ts\n([^]*?)^```$/m.exec(text)?.[1]
  const printed = [...(/^prints (.*)\.$/m.exec(text)?.[1] ?? "").matchAll(/`([^`]*)`/g)].map(([, line]) => line!)
  if (code === undefined || printed.length === 0) {
    throw new Error(`packages/README.md of ${self.name} needs a block of ts and a line such as: prints \`hello\`.`)
  }
  return { code, printed }
}

const folder = mkdtempSync(join(tmpdir(), "effect-ws-smoke-"))
try {
  const packages = publishedPackages()
  const modules = packages.flatMap(modulesOf)
  const tarballs = Object.fromEntries([...packAll(packages, folder)].map(([name, path]) => [name, `file:${path}`]))
  say(`packed ${packages.map(({ name, version }) => `${name}@${version}`).join(", ")}`)
  const peers = Object.fromEntries(
    ["effect", "@effect/platform-node", "@types/node"].map((name) => [name, installedVersion(name)])
  )
  const dependencies = { ...tarballs, ...peers }

  const compilers = Object.fromEntries(
    typescripts.map((version) => [`typescript-${version}`, `npm:typescript@${version}`])
  )
  const npm = makeConsumer("npm", { dependencies, devDependencies: { ...compilers, node: oldestNode } }, modules)
  const pnpm = makeConsumer("pnpm", { dependencies }, modules)
  write(pnpm, "pnpm-workspace.yaml", `packages: ["."]\noverrides: ${JSON.stringify(tarballs)}\n`)
  const pnp = makeConsumer("yarn", { dependencies, resolutions: tarballs }, modules)
  write(pnp, "yarn.lock", "")
  write(
    pnp,
    ".yarnrc.yml",
    "nodeLinker: pnp\nenableTelemetry: false\nenableGlobalCache: true\nenableImmutableInstalls: false\n"
  )

  await Promise.all([
    start(npm, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error"),
    start(pnpm, "npx", "-y", "pnpm@12", "install", "--no-frozen-lockfile"),
    start(pnp, "npx", "-y", yarn, "install")
  ])
  say("installed by npm, pnpm and yarn")

  for (const program of ["imports.mjs", "requires.cjs"]) {
    run(pnpm, process.execPath, program)
    run(pnp, process.execPath, "--require", "./.pnp.cjs", "--loader", "./.pnp.loader.mjs", program)
  }
  say(`pnpm and yarn: ${modules.length} modules import, and can be required`)

  const readmes = packages.map((self) => ({ file: `${self.name.replaceAll("/", "-")}.mts`, ...readmeOf(self) }))
  for (const { code, file } of readmes) write(npm, file, code)
  write(
    npm,
    "types.mts",
    modules
      .map((name, index) => `import * as m${index} from "${name}"\nexport type T${index} = typeof m${index}\n`)
      .join("")
  )
  const files = ["types.mts", ...readmes.map(({ file }) => file)]
  for (const resolution of resolutions) {
    const module = resolution === "bundler" ? { module: "esnext", moduleResolution: "bundler" } : { module: resolution }
    const rest = { noEmit: true, strict: true, skipLibCheck: false, target: "es2024", types: ["node"] }
    write(npm, `tsconfig.${resolution}.json`, { compilerOptions: { ...module, ...rest }, files })
  }
  for (const version of typescripts) {
    const tsc = join(npm, `node_modules/typescript-${version}/bin/tsc`)
    await Promise.all(resolutions.map((name) => start(npm, process.execPath, tsc, "-p", `tsconfig.${name}.json`)))
    say(`TypeScript ${version}: types of ${modules.length} modules and the READMEs, as ${resolutions.join(" and ")}`)
  }

  for (const name of ["echo.mjs", "serve.mjs"]) copyFileSync(join(root, "scripts/smoke", name), join(npm, name))
  const oldest = join(npm, "node_modules/node/bin/node")
  for (const { file, printed } of readmes) {
    const output = run(npm, oldest, file)
    const missing = printed.find((line) => !output.includes(line))
    if (missing !== undefined) throw new Error(`${file} does not print ${missing}, but\n${output}`)
  }
  say(`the programs of ${readmes.length} READMEs run on Node ${oldestNode}`)
  const nodes = new Set([oldest, process.execPath, ...systemNode()])
  for (const node of nodes) {
    for (const program of ["imports.mjs", "requires.cjs"]) run(npm, node, program)
    const echo = run(npm, node, "echo.mjs").trim()
    const served = run(npm, node, "serve.mjs").trim()
    say(`node ${run(npm, node, "--version").trim()}: imports, the server ${echo}, ${served}`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
