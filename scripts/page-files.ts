/**
 * The module that stands for the files of a page in what is published: their text as strings. In the repository
 * `src/page/files.ts` reads them from beside itself, which a bundle, or a package without them, cannot.
 */
import { pathToFileURL } from "node:url"
import { join } from "node:path"

interface Files {
  readonly html: string
  readonly style: string
  readonly script: string
}

/** Returns the code of the module for the page in a folder. */
export const pageModule = async (folder: string): Promise<string> => {
  const { html, script, style } = (await import(pathToFileURL(join(folder, "files.ts")).href)) as Files
  return [
    `export const html = ${JSON.stringify(html)}`,
    `export const style = ${JSON.stringify(style)}`,
    `export const script = ${JSON.stringify(script)}`,
    ""
  ].join("\n")
}
