/**
 * The files of the page. The build replaces this module with their text, so that the command line stays one file; in
 * the repository this module reads them.
 */
import { readPage } from "@effect-ws/inspector/page/readPage"
import type { PageFiles } from "@effect-ws/inspector/SingleFilePage"

const page: PageFiles = readPage(new URL("./", import.meta.url))

export const html: string = page.html
export const style: string = page.style
export const script: string = page.script
