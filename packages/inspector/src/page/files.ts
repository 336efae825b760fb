/**
 * The files of the page. The build replaces this module with their text, so that a bundled program needs no files; in
 * the repository this module reads them.
 */
import type { PageFiles } from "../SingleFilePage.ts"
import { readPage } from "./readPage.ts"

const page: PageFiles = readPage(new URL("./", import.meta.url))

export const html: string = page.html
export const style: string = page.style
export const script: string = page.script
