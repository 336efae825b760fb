/**
 * Draws blocks of `mermaid` as pictures when the site is built: one for each colour scheme, of which the theme shows
 * one.
 */
import { renderMermaidSVG } from "beautiful-mermaid"
import type { MarkdownRenderer } from "vitepress"

const schemes = {
  light: { bg: "#ffffff", fg: "#3c3c43", accent: "#1f5fd6" },
  dark: { bg: "#1b1b1f", fg: "#dfdfd6", accent: "#7eaaff" }
} as const

const picture = (text: string, scheme: keyof typeof schemes): string => {
  // The renderer asks for a font from the network; the site has none from there.
  const svg = renderMermaidSVG(text, { ...schemes[scheme], font: "sans-serif" }).replaceAll(
    /@import url\([^)]*\);?/g,
    ""
  )
  const data = Buffer.from(svg).toString("base64")
  return `<img class="diagram ${scheme}-only" alt="A diagram; the table below says the same." src="data:image/svg+xml;base64,${data}">`
}

export const drawDiagrams = (markdown: MarkdownRenderer): void => {
  const other = markdown.renderer.rules.fence!
  markdown.renderer.rules.fence = (tokens, at, ...rest) => {
    const token = tokens[at]!
    if (token.info.trim() !== "mermaid") return other(tokens, at, ...rest)
    return picture(token.content, "light") + picture(token.content, "dark")
  }
}
