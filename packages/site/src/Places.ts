/** Where the site's parts come from and go to. */
import { join, resolve } from "node:path"

export const site: string = resolve(import.meta.dirname, "..")
export const packages: string = resolve(site, "..")
export const root: string = resolve(packages, "..")

/** The Markdown that vitepress reads: the pages with their links rewritten, and the reference. */
export const pages: string = join(site, "build/pages")

/** Where the site is served, such as `/effect-ws/` on GitHub Pages. */
export const base: string = process.env["SITE_BASE"] ?? "/"

/** A server's root, and the site in it. */
export const served: string = join(site, "build/site")
export const output: string = join(served, base)

/** Where links to sources lead. */
export const repository = "https://github.com/effect-ws/effect-ws"
