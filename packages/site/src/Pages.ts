/**
 * The pages of `docs`, made ready for the site: links that leave `docs` lead to the repository instead, and what they
 * lead to must exist. The files themselves stay plain Markdown, to be read on GitHub too.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join, relative, resolve } from "node:path"
import { sections } from "./Navigation.ts"
import { repository, root, site } from "./Places.ts"

const docs = join(root, "docs")

const names = (): ReadonlyArray<string> =>
  readdirSync(docs)
    .filter((file) => file.endsWith(".md"))
    .map((file) => file.slice(0, -3))

const checkNavigation = (): void => {
  const placed = sections.flatMap(({ pages }) => Object.keys(pages))
  for (const name of names()) {
    if (!placed.includes(name)) throw new Error(`docs/${name}.md has no place in packages/site/src/Navigation.ts`)
  }
  for (const name of placed) {
    if (!existsSync(join(docs, `${name}.md`))) throw new Error(`there is no docs/${name}.md to place in the navigation`)
  }
}

/**
 * Leads links out of `docs` to the repository, and those to pictures to where the site has them. Code is left as it is.
 */
const rewriteLinks = (name: string, text: string): string =>
  text
    .split(/(^```[^]*?^```$)/m)
    .map((part) =>
      part.startsWith("```")
        ? part
        : part
            .replaceAll(/(\]\(|src="|srcset=")((?:[\w-]+\/)?[\w-]+\.(?:png|svg))/g, "$1/$2")
            .replaceAll(/\]\((\.\.\/[^)#]*)(#[^)]*)?\)/g, (_, target: string, hash = "") => {
              const path = resolve(docs, target)
              if (!existsSync(path)) throw new Error(`docs/${name}.md links to ${target}, which does not exist`)
              return `](${repository}/blob/main/${relative(root, path)}${hash})`
            })
    )
    .join("")

/**
 * Shows code of the README on the home page, where `<!-- README: a heading -->` stands, so that the same tests run it.
 */
const showCode = (text: string): string =>
  text.replaceAll(/^<!-- README: (.*) -->$/gm, (_, heading: string) => {
    const section = readFileSync(join(root, "README.md"), "utf8").split(`\n## ${heading}\n`)[1]
    const code = /^```ts\n[^]*?^```$/m.exec(section ?? "")?.[0]
    if (code === undefined) throw new Error(`the README has no code under "${heading}"`)
    return code
  })

/** Writes the pages, the pictures and the home page into a folder. */
export const writePages = (folder: string): void => {
  checkNavigation()
  mkdirSync(join(folder, "public"), { recursive: true })
  for (const name of names()) {
    writeFileSync(join(folder, `${name}.md`), rewriteLinks(name, readFileSync(join(docs, `${name}.md`), "utf8")))
  }
  cpSync(docs, join(folder, "public"), {
    recursive: true,
    filter: (path) => /\.(png|svg)$/.test(path) || statSync(path).isDirectory()
  })
  cpSync(join(site, "home"), folder, { recursive: true })
  writeFileSync(join(folder, "index.md"), showCode(readFileSync(join(site, "home/index.md"), "utf8")))
}
