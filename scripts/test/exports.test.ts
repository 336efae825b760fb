/**
 * A module's specifier is its package and its name, whatever folder of `src` it stands in. For a module in a folder the
 * `exports` of package.json say so twice, for the repository and for npm.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { publishedPackages } from "../Packages.ts"
import type { PublishedPackage } from "../Packages.ts"

interface Manifest {
  readonly exports: Readonly<Record<string, string | null>>
}

const repositoryExports = ({ directory }: PublishedPackage): Manifest["exports"] =>
  (JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest).exports

/** The modules that `src/index.ts` exports, by name, each with its path under `src` without the ending. */
const indexed = ({ directory }: PublishedPackage): ReadonlyMap<string, string> => {
  const source = readFileSync(join(directory, "src/index.ts"), "utf8")
  return new Map(
    [...source.matchAll(/^export \* as (\w+) from "\.\/([\w/]+)\.ts"$/gm)].map(([, name, path]) => [name!, path!])
  )
}

/** The folders of `src` that hold public modules. */
const publicFolders = (self: PublishedPackage): ReadonlySet<string> =>
  new Set([...indexed(self).values()].filter((path) => path.includes("/")).map((path) => path.split("/")[0]!))

const packages = publishedPackages().map((self) => [self.name, self] as const)

describe("the exports of", () => {
  it.each(packages)("%s give each module in a folder its own name", (_, self) => {
    const local = repositoryExports(self)
    const published = self.publishConfig.exports
    for (const [name, path] of indexed(self)) {
      assert.strictEqual(path.split("/").at(-1), name)
      if (!path.includes("/")) continue
      assert.strictEqual(local[`./${name}`], `./src/${path}.ts`)
      assert.deepStrictEqual(published[`./${name}`], { types: `./dist/${path}.d.ts`, default: `./dist/${path}.js` })
    }
  })

  it.each(packages)("%s give no module a second name", (_, self) => {
    const local = repositoryExports(self)
    for (const folder of publicFolders(self)) {
      assert.strictEqual(local[`./${folder}/*`], null)
      assert.strictEqual(self.publishConfig.exports[`./${folder}/*`], null)
      const names = readdirSync(join(self.directory, "src", folder)).map((file) => file.slice(0, -".ts".length))
      for (const name of names) assert.strictEqual(indexed(self).get(name), `${folder}/${name}`)
    }
  })

  it.each(packages)("%s name files that exist", (_, self) => {
    for (const target of Object.values(repositoryExports(self))) {
      if (target !== null && !target.includes("*")) assert.isTrue(existsSync(join(self.directory, target)), target)
    }
  })
})
