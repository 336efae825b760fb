/**
 * Bundles the command line into `dist/bin.js` and one chunk, with all that it imports: a process that loads hundreds of
 * modules one by one takes three times as long to start. The library is not bundled: its users do that themselves.
 */
import { readdirSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { build } from "rolldown"
import type { Plugin } from "rolldown"
import { root } from "./Packages.ts"
import { pageModule } from "./page-files.ts"

const directory = join(root, "packages/effect-ws")

/** Puts the files of the pages into the bundle as text: their modules would look for them beside themselves. */
const page: Plugin = {
  name: "page",
  load: {
    filter: { id: /\/src\/page\/files\.ts$/ },
    handler: async (id) => ({ moduleType: "js", code: await pageModule(dirname(id)) })
  }
}

/** Replaces what the compiler made of the command line by the bundle. */
export const bundleCommandLine = async (): Promise<void> => {
  for (const folder of ["dist/cli", "dist/page"]) {
    for (const name of readdirSync(join(directory, folder))) {
      // The declarations stay: the compiler wants them for the tests.
      if (!name.endsWith(".d.ts")) rmSync(join(directory, folder, name))
    }
  }
  await build({
    input: join(directory, "src/bin.ts"),
    plugins: [page],
    platform: "node",
    logLevel: "warn",
    output: {
      dir: join(directory, "dist"),
      entryFileNames: "bin.js",
      chunkFileNames: "cli/[name].js",
      minify: { mangle: false, compress: true, codegen: { removeWhitespace: true } }
    }
  })
}
