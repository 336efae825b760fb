/**
 * Reads the files of a page in a folder: `index.html`, `style.css` and `client.js`, with the modules that the script
 * imports and the style sheets that the style imports. A page that is served is one document, so here each becomes one
 * text, in the order in which a browser would run or apply the parts. Names that do not begin with a dot are those of
 * packages: what two pages share.
 *
 * The modules of the script then share one scope. Declarations of imports and the word `export` are left out, so an
 * import keeps the name of what it imports, and two modules do not declare the same name: the browser would refuse the
 * script.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import type { PageFiles } from "../SingleFilePage.ts"

const imported = /^import \{[^{}]*\} from "([^"]+)"\n/gm
const typesImported = /^\/\*\* @import .* \*\/\n/gm
const exported = /^export (?=const |let )/gm
const styleImported = /^@import "([^"]+)";\n/gm

const read = (file: URL): string => readFileSync(file, "utf8")

const resolve = (name: string, from: URL): URL =>
  name.startsWith(".") ? new URL(name, from) : pathToFileURL(createRequire(from).resolve(name))

const readScript = (main: URL): string => {
  const met = new Set<string>()
  const parts: Array<string> = []
  const add = (file: URL): void => {
    if (met.has(file.href)) return
    met.add(file.href)
    const text = read(file)
    for (const [declaration, name] of text.matchAll(imported)) {
      if (declaration.includes(" as ")) throw new Error(`${file.href}: an import cannot be renamed: ${declaration}`)
      add(resolve(name!, file))
    }
    const rest = text.replace(imported, "").replace(typesImported, "").replace(exported, "")
    const left = /^(?:import|export)\b.*/m.exec(rest)
    if (left !== null) throw new Error(`${file.href}: not a form of import or export that can be joined: ${left[0]}`)
    parts.push(rest)
  }
  add(main)
  return parts.join("\n")
}

const readStyle = (file: URL): string =>
  read(file).replace(styleImported, (_, name: string) => readStyle(resolve(name, file)))

/** Returns the files of the page in a folder, whose URL ends with a slash. */
export const readPage = (folder: URL): PageFiles => ({
  html: read(new URL("index.html", folder)),
  style: readStyle(new URL("style.css", folder)),
  script: readScript(new URL("client.js", folder))
})
