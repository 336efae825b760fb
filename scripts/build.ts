/**
 * Builds `dist` of each published package from nothing: JavaScript, declarations and source maps. What an earlier
 * build left behind is removed first, so that no module which was renamed or deleted is ever published.
 */
import { spawnSync } from "node:child_process"
import { existsSync, rmSync } from "node:fs"
import { join, relative } from "node:path"
import { publishedPackages, root } from "./Packages.ts"

const packages = publishedPackages()
for (const { directory } of packages) {
  rmSync(join(directory, "dist"), { recursive: true, force: true })
  rmSync(join(directory, "build/src.tsbuildinfo"), { force: true })
}

const projects = packages.map(({ directory }) => relative(root, join(directory, "tsconfig.src.json")))
const { status } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-b", ...projects], { cwd: root, stdio: "inherit" })

for (const { directory, name } of packages) {
  const built = status === 0 && existsSync(join(directory, "dist/index.js"))
  process.stdout.write(`${built ? "built" : "not built"} ${name}: ${relative(root, join(directory, "dist"))}\n`)
  if (!built) process.exitCode = 1
}
