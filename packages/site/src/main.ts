/**
 * Builds the documentation site: `pnpm site`. With `--serve` it is served afterwards, to be looked at.
 *
 * The site is plain files, and needs no network to be built or read.
 */
import { rmSync } from "node:fs"
import { join, relative } from "node:path"
import { build, serve } from "vitepress"
import { deadLinks } from "./Links.ts"
import { writePages } from "./Pages.ts"
import { base, output, pages, root, served, site } from "./Places.ts"
import { writeReference } from "./Reference.ts"

rmSync(pages, { recursive: true, force: true })
rmSync(served, { recursive: true, force: true })
const started = performance.now()
const say = (text: string): void =>
  void process.stdout.write(`${((performance.now() - started) / 1000).toFixed(1)} s: ${text}\n`)

writePages(pages)
await writeReference(join(pages, "api"))
say("wrote the API reference")
process.chdir(site) // where esbuild looks for a tsconfig.json
await build(site)
say("built the pages")
const { checked, dead } = await deadLinks(served, `.${base}`)
for (const link of dead) process.stderr.write(`dead link: ${link}\n`)
say(`followed ${checked} links, ${dead.length} are dead`)
if (dead.length > 0) process.exit(1)
say(`the site is in ${relative(root, output)}`)

if (process.argv.includes("--serve")) await serve({ root: site })
