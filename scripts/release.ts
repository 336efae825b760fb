/**
 * Publishes to npm every package whose version npm does not have, lowest layer first. With `--dry-run` it shows what
 * npm would get (name, version, size, files) and publishes nothing. Either way it builds first and checks the tarballs.
 *
 * Versions come from `changeset version`, in a commit before; see CONTRIBUTING.md. In GitHub Actions npm records where
 * a package was built (provenance), which it cannot on anybody's own machine.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { publishedPackages, root } from "./Packages.ts"
import type { PublishedPackage } from "./Packages.ts"
import { packAll, run } from "./Tarballs.ts"

const options = process.argv.slice(2)
const isDryRun = options.includes("--dry-run")
const unknown = options.find((option) => option !== "--dry-run")
if (unknown !== undefined) {
  process.stderr.write(`unknown option ${unknown}; usage: pnpm release [--dry-run]\n`)
  process.exit(2)
}

const say = (line: string): boolean => process.stdout.write(`${line}\n`)

/** Packages after those that they depend on, so that nothing is on npm before what it needs. */
const inOrder = (packages: ReadonlyArray<PublishedPackage>): ReadonlyArray<PublishedPackage> => {
  const ordered: Array<PublishedPackage> = []
  const visit = (self: PublishedPackage): void => {
    if (ordered.includes(self)) return
    for (const name of Object.keys(self.dependencies ?? {})) {
      const dependency = packages.find((other) => other.name === name)
      if (dependency !== undefined) visit(dependency)
    }
    ordered.push(self)
  }
  packages.forEach(visit)
  return ordered
}

const isOnNpm = ({ name, version }: PublishedPackage): boolean => {
  try {
    return run(root, "npm", "view", `${name}@${version}`, "version").trim() !== ""
  } catch (error) {
    if (/E404/.test((error as Error).message)) return false
    throw error
  }
}

const list = (tarball: string): void => {
  const files = run(root, "tar", "-tzf", tarball).trim().split("\n")
  const folders = Map.groupBy(files, (file) => file.split("/").slice(1, -1).join("/"))
  for (const [folder, inside] of [...folders].sort(([a], [b]) => a.localeCompare(b))) {
    const names = inside.map((file) => file.slice(file.lastIndexOf("/") + 1))
    say(`  ${folder === "" ? names.join(", ") : `${folder}/: ${inside.length} files`}`)
  }
}

if (!isDryRun) {
  const changes = run(root, "git", "status", "--porcelain").trim()
  if (changes !== "") throw new Error(`commit or remove what is not committed:\n${changes}`)
}
for (const script of ["build.ts", "check-publish.ts"]) say(run(root, process.execPath, join("scripts", script)).trim())

const packages = inOrder(publishedPackages())
const folder = mkdtempSync(join(tmpdir(), "effect-ws-release-"))
try {
  const tarballs = packAll(packages, folder)
  for (const self of packages) {
    if (!isDryRun && isOnNpm(self)) {
      say(`${self.name}@${self.version} is on npm already`)
      continue
    }
    const tarball = tarballs.get(self.name)!
    say(`${self.name}@${self.version}: ${(statSync(tarball).size / 1024).toFixed(1)} KiB packed`)
    if (isDryRun) {
      list(tarball)
      continue
    }
    const provenance = process.env.GITHUB_ACTIONS === "true" ? ["--provenance"] : []
    run(root, "npm", "publish", tarball, "--access", "public", ...provenance)
    say("  published")
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
if (isDryRun) say(`${packages.length} packages would be published; nothing was`)
