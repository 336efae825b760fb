/**
 * A page of three files (HTML, style, script) as one document that loads nothing else: style and script are put into
 * it, and its Content-Security-Policy allows exactly these two, by hash, and WebSocket connections.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"

/**
 * The text of the three files. The HTML refers to the others as `style.css` and `client.js`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PageFiles {
  readonly html: string
  readonly style: string
  readonly script: string
}

/**
 * A document, ready to be served.
 *
 * @category models
 * @since 0.1.0
 */
export interface SingleFilePage {
  readonly html: string
  /** The document in UTF-8. */
  readonly bytes: Uint8Array
  /**
   * The headers of a response with the page.
   *
   * **Details**
   *
   * Besides type and length, they forbid framing and caching. They also isolate the page, which gives it a browser
   * clock fine enough (5 microseconds) for round trips on one machine.
   */
  readonly headers: Readonly<Record<string, string>>
}

const hash = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`

const replace = (text: string, tag: string, by: string): string => {
  const parts = text.split(tag)
  if (parts.length !== 2) throw new Error(`index.html contains ${tag} ${parts.length - 1} times, expected once`)
  return parts.join(by)
}

const charset = '<meta charset="utf-8" />'

/**
 * Puts the files of a page into one document.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (files: PageFiles): SingleFilePage => {
  const policy = [
    "default-src 'none'",
    `script-src ${hash(files.script)}`,
    `style-src ${hash(files.style)}`,
    "img-src data:",
    "connect-src ws: wss:",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'"
  ].join("; ")
  const inline: ReadonlyArray<readonly [tag: string, by: string]> = [
    [charset, `${charset}\n    <meta http-equiv="Content-Security-Policy" content="${policy}" />`],
    ['<link rel="stylesheet" href="style.css" />', `<style>${files.style}</style>`],
    ['<script type="module" src="client.js"></script>', `<script type="module">${files.script}</script>`]
  ]
  const html = inline.reduce((text, [tag, by]) => replace(text, tag, by), files.html)
  const bytes = new TextEncoder().encode(html)
  return {
    html,
    bytes,
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Length": String(bytes.length),
      "Content-Security-Policy": `${policy}; frame-ancestors 'none'`,
      "Cache-Control": "no-store",
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer"
    }
  }
}
