/**
 * The page's files as they stand in this folder. The build replaces this module by their text, so that the command line
 * stays one file; run from the repository, it reads them.
 */
import { readFileSync } from "node:fs"

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), "utf8")

export const html: string = read("index.html")
export const style: string = read("style.css")
export const script: string = read("client.js")
