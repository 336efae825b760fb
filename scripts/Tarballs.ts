/**
 * What npm would get of each published package, packed as publishing packs it, for the scripts that check or publish
 * it.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { root } from "./Packages.ts"
import type { PublishedPackage } from "./Packages.ts"

/** Runs a command to its end and returns what it printed; anything but success is an error with all of it. */
export const run = (folder: string, command: string, ...args: ReadonlyArray<string>): string => {
  const result = spawnSync(command, args, { cwd: folder, encoding: "utf8", timeout: 180_000 })
  if (result.error !== undefined) throw new Error(`${command} could not run: ${result.error.message}`)
  if (result.status !== 0) {
    throw new Error(
      `${[command, ...args].join(" ")} ended with ${result.status ?? result.signal}\n${result.stdout}${result.stderr}`
    )
  }
  return result.stdout
}

/**
 * Packs as publishing does, which replaces `workspace:` and `catalog:` by versions and applies `publishConfig`. Returns
 * the path of each package's tarball, by the package's name.
 */
export const packAll = (packages: ReadonlyArray<PublishedPackage>, folder: string): ReadonlyMap<string, string> => {
  for (const { directory, name } of packages) {
    if (!existsSync(join(directory, "dist/index.js"))) {
      throw new Error(`${name} has no dist/index.js: run the build script first`)
    }
  }
  const filters = packages.flatMap(({ name }) => ["--filter", name])
  run(root, "npx", "-y", "pnpm@12", "--recursive", ...filters, "pack", "--pack-destination", folder)
  return new Map(packages.map((self) => [self.name, check(self, folder)]))
}

const check = ({ name, version }: PublishedPackage, folder: string): string => {
  const tarball = join(folder, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`)
  const manifest = run(folder, "tar", "-xzOf", tarball, "package/package.json")
  const unresolved = /"(?:workspace|catalog):[^"]*"|:\s*"\.\/src\/[^"]*\.ts"/.exec(manifest)
  if (unresolved !== null) throw new Error(`the packed package.json of ${name} still says ${unresolved[0]}`)
  const files = run(folder, "tar", "-tzf", tarball).split("\n")
  for (const file of ["LICENSE", "README.md"]) {
    if (!files.includes(`package/${file}`)) throw new Error(`the tarball of ${name} has no ${file}`)
  }
  return tarball
}

/** Every module that the package's exports offer: those named, and for a pattern each file of dist that it matches. */
export const modulesOf = (self: PublishedPackage): ReadonlyArray<string> => {
  const exports = Object.entries(self.publishConfig.exports).filter(
    ([key, target]) => target !== null && key !== "./package.json"
  )
  // The folder of the files that a pattern matches, such as `./dist/*.js`.
  const pattern =
    (self.publishConfig.exports["./*"] as { readonly default: string } | undefined)?.default ?? "./dist/*.js"
  const files = readdirSync(join(self.directory, dirname(pattern)))
    .filter((name) => name.endsWith(".js"))
    .map((name) => `./${name.slice(0, -".js".length)}`)
  const closed = self.publishConfig.exports
  return exports
    .flatMap(([key]) => (key === "./*" ? files.filter((file) => closed[file] !== null) : [key]))
    .map((key) => `${self.name}${key.slice(1)}`)
}
