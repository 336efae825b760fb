import { defineConfig } from "vitepress"
import type { DefaultTheme } from "vitepress"
import { drawDiagrams } from "../src/Diagram.ts"
import { sections } from "../src/Navigation.ts"
import { base, output, repository } from "../src/Places.ts"
import { readPackages } from "../src/Reference.ts"

const guide: Array<DefaultTheme.SidebarItem> = sections.map(({ pages, title }) => ({
  text: title,
  items: Object.entries(pages).map(([name, text]) => ({ text, link: `/${name}` }))
}))

const reference: Array<DefaultTheme.SidebarItem> = readPackages().map(({ folder, modules }) => ({
  text: folder,
  collapsed: true,
  items: modules.map(({ name }) => ({ text: name, link: `/api/${folder}/${name}` }))
}))

export default defineConfig({
  lang: "en",
  title: "effect-ws",
  description:
    "WebSockets for Effect 4: servers, clients, transports and the protocol as Layers, Streams and typed errors",
  base,
  head: [["link", { rel: "icon", type: "image/svg+xml", href: `${base}favicon.svg` }]],
  srcDir: "build/pages",
  outDir: output,
  cacheDir: "build/cache",
  lastUpdated: false,
  metaChunk: true,
  markdown: {
    theme: { light: "github-light-high-contrast", dark: "github-dark-default" },
    // As GitHub names headings, since the pages are read there too.
    anchor: {
      slugify: (heading) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\w\- ]/g, "")
          .replaceAll(" ", "-")
    },
    config: drawDiagrams
  },
  themeConfig: {
    search: {
      provider: "local",
      // The guide comes before the reference, which says each name very often.
      options: {
        detailedView: false,
        miniSearch: { searchOptions: { boostDocument: (id: string) => (id.includes("/api/") ? 1 : 20) } }
      }
    },
    nav: [
      { text: "Guide", link: "/getting-started", activeMatch: "^/(?!api/|benchmarks)." },
      { text: "API", link: "/api/", activeMatch: "^/api/" }
    ],
    sidebar: { "/api/": [{ text: "API reference", link: "/api/" }, ...reference], "/": guide },
    outline: { level: [2, 3] },
    socialLinks: [{ icon: "github", link: repository }],
    externalLinkIcon: true
  }
})
