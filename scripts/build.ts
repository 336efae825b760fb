/**
 * Builds `dist` of each published package from nothing: JavaScript, declarations and source maps. What an earlier build
 * left behind is removed first, so that no module which was renamed or deleted is ever published. The command line is
 * bundled on top of that, and the modules that read the files of a page are replaced by the text of these files.
 */
import { spawnSync } from "node:child_process"
import { existsSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { bundleCommandLine } from "./bundle-cli.ts"
import { publishedPackages, root } from "./Packages.ts"
import { pageModule } from "./page-files.ts"

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

if (status === 0) {
  for (const { directory } of packages) {
    const page = join(directory, "dist/page/files.js")
    if (existsSync(page)) writeFileSync(page, await pageModule(join(directory, "src/page")))
  }
  await bundleCommandLine()
  process.stdout.write("bundled the command line: packages/effect-ws/dist/bin.js\n")
}
