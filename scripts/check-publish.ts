/**
 * Checks what npm would get with the two tools that package authors use: publint (fields and files of package.json) and
 * are-the-types-wrong (whether each module's types are found, and fit, as each kind of resolution looks for them). Both
 * look at the tarballs, where `publishConfig` is applied.
 *
 * Run it after `build`.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { publishedPackages, root } from "./Packages.ts"
import { modulesOf, packAll, run } from "./Tarballs.ts"

const folder = mkdtempSync(join(tmpdir(), "effect-ws-publish-"))
try {
  const packages = publishedPackages()
  const tarballs = packAll(packages, folder)
  for (const self of packages) {
    const tarball = tarballs.get(self.name)!
    const bytes = readFileSync(tarball)
    const { messages, pkg } = await publint({
      pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer },
      strict: true
    })
    for (const message of messages) {
      process.stdout.write(`${self.name}: publint: ${formatMessage(message, pkg)}\n`)
      process.exitCode = 1
    }
    // The packages are ES modules. CommonJS gets them by `require(esm)`, which is what `esm-only` leaves to Node.
    const modules = modulesOf(self).map((name) => `.${name.slice(self.name.length)}`)
    const attw = join(root, "node_modules/.bin/attw")
    try {
      run(folder, attw, tarball, "--profile", "esm-only", "--format", "ascii", "--entrypoints", ...modules)
      process.stdout.write(`${self.name}: publint and attw find nothing in ${modules.length} modules\n`)
    } catch (error) {
      process.stdout.write(`${self.name}: attw: ${(error as Error).message}\n`)
      process.exitCode = 1
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
