/**
 * The module that stands for the files of a page in what is published: their text as strings. In the repository
 * `src/page/files.ts` reads them from beside itself, which a bundle, or a package without them, cannot.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"

/** The code of the module for the page in a folder. */
export const pageModule = (folder: string): string => {
  const read = (name: string): string => JSON.stringify(readFileSync(join(folder, name), "utf8"))
  return [
    `export const html = ${read("index.html")}`,
    `export const style = ${read("style.css")}`,
    `export const script = ${read("client.js")}`,
    ""
  ].join("\n")
}
