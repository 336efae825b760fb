/**
 * What npm would get of each published package, packed as publishing packs it, for the scripts that check or publish it.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
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

/** Packs as publishing does, which replaces `workspace:` and `catalog:` by versions and applies `publishConfig`. */
export const pack = (self: PublishedPackage, folder: string): string => {
  if (!existsSync(join(self.directory, "dist/index.js"))) {
    throw new Error(`${self.name} has no dist/index.js: run the build script first`)
  }
  const before = new Set(readdirSync(folder))
  run(self.directory, "npx", "-y", "pnpm@12", "pack", "--pack-destination", folder)
  const tarball = readdirSync(folder).find((name) => !before.has(name))
  if (tarball === undefined) throw new Error(`packing ${self.name} left no tarball in ${folder}`)
  const manifest = run(folder, "tar", "-xzOf", tarball, "package/package.json")
  const unresolved = /"(?:workspace|catalog):[^"]*"|:\s*"\.\/src\/[^"]*\.ts"/.exec(manifest)
  if (unresolved !== null) throw new Error(`the packed package.json of ${self.name} still says ${unresolved[0]}`)
  const files = run(folder, "tar", "-tzf", tarball).split("\n")
  if (!files.includes("package/LICENSE")) throw new Error(`the tarball of ${self.name} has no LICENSE`)
  return tarball
}

/** Every module that the package's exports offer: those that they name, and each file of dist that a pattern matches. */
export const modulesOf = (self: PublishedPackage): ReadonlyArray<string> => {
  const exports = self.publishConfig.exports
  if (!("./*" in exports)) {
    return Object.keys(exports)
      .filter((path) => path !== "./package.json")
      .map((path) => `${self.name}${path.slice(1)}`)
  }
  return [
    self.name,
    ...readdirSync(join(self.directory, "dist"))
      .filter((name) => name.endsWith(".js"))
      .map((name) => name.slice(0, -".js".length))
      .filter((name) => exports[`./${name}`] !== null)
      .map((name) => `${self.name}/${name}`)
  ]
}
