/** The packages that are published, found where pnpm finds them, so that the scripts never hold a list of their own. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"

export const root: string = resolve(import.meta.dirname, "..")

export interface PublishedPackage {
  readonly name: string
  readonly version: string
  readonly directory: string
  readonly dependencies?: Readonly<Record<string, string>> | undefined
  readonly publishConfig: { readonly exports: Readonly<Record<string, unknown>> }
}

export const publishedPackages = (): ReadonlyArray<PublishedPackage> =>
  readdirSync(join(root, "packages"))
    .map((folder) => join(root, "packages", folder))
    .filter((directory) => existsSync(join(directory, "package.json")))
    .map((directory) => ({ ...JSON.parse(readFileSync(join(directory, "package.json"), "utf8")), directory }))
    .filter((manifest) => manifest.private !== true)
