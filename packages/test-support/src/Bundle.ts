/**
 * Bundles modules for browsers as an application would, for tests of what a page has to load.
 */
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { rolldown } from "rolldown"

export interface Bundle {
  readonly code: string
  /** The bytes of the code under gzip. */
  readonly gzipped: number
  /** What it imports and does not contain. */
  readonly external: ReadonlyArray<string>
  /** The paths of the modules that it contains. */
  readonly modules: ReadonlyArray<string>
}

/** Bundles a module that is given as source, with what it imports from the point of view of a folder. */
export const bundle = (folder: string, source: string): Effect.Effect<Bundle> =>
  Effect.promise(async () => {
    const entry = join(folder, "bundle-entry.ts")
    const built = await rolldown({
      input: entry,
      platform: "browser",
      external: /^node:/,
      logLevel: "silent",
      plugins: [
        {
          name: "entry",
          resolveId: (id) => (id === entry ? entry : undefined),
          load: (id) => (id === entry ? source : undefined)
        }
      ]
    })
    const { output } = await built.generate({ format: "esm", minify: true })
    await built.close()
    const [{ code, imports, modules }] = output
    return {
      code,
      gzipped: gzipSync(code, { level: 9 }).length,
      external: imports,
      modules: Object.keys(modules)
    }
  })
