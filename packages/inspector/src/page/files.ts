/**
 * The files of the page. The build replaces this module with their text, so that a bundled program needs no files; in the
 * repository this module reads them.
 */
import { readFileSync } from "node:fs"

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), "utf8")

export const html: string = read("index.html")
export const style: string = read("style.css")
export const script: string = read("client.js")
