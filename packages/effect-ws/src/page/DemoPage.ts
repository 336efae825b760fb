/**
 * The page that the demo server shows to a browser: a working WebSocket client in one document.
 *
 * After starting the server, a user opens its address and can connect, send and see the answers within seconds, and
 * read why a connection closed. The page is three files beside this module, which a browser can also open from disk.
 * This module inlines style and script, so that the page loads nothing else. Its Content-Security-Policy allows exactly
 * these two, by hash, and WebSocket connections.
 */
import { createHash } from "node:crypto"
import * as files from "./files.ts"

const hash = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`

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

const replace = (text: string, tag: string, by: string): string => {
  const parts = text.split(tag)
  if (parts.length !== 2) throw new Error(`index.html contains ${tag} ${parts.length - 1} times, expected once`)
  return parts.join(by)
}

const charset = '<meta charset="utf-8" />'
const inline: ReadonlyArray<readonly [tag: string, by: string]> = [
  [charset, `${charset}\n    <meta http-equiv="Content-Security-Policy" content="${policy}" />`],
  ['<link rel="stylesheet" href="style.css" />', `<style>${files.style}</style>`],
  ['<script type="module" src="client.js"></script>', `<script type="module">${files.script}</script>`]
]

/**
 * The demo page as one HTML document.
 *
 * @category page
 * @since 0.1.0
 */
export const html: string = inline.reduce((text, [tag, by]) => replace(text, tag, by), files.html)

/**
 * The demo page as a UTF-8 response body.
 *
 * @category page
 * @since 0.1.0
 */
export const bytes: Uint8Array = new TextEncoder().encode(html)

/**
 * The response headers of the demo page.
 *
 * **Details**
 *
 * Besides type and length, they forbid framing and caching. They also isolate the page, which gives it a browser clock
 * fine enough (5 microseconds) for round trips on one machine.
 *
 * @category page
 * @since 0.1.0
 */
export const headers: Readonly<Record<string, string>> = {
  "Content-Type": "text/html; charset=utf-8",
  "Content-Length": String(bytes.length),
  "Content-Security-Policy": `${policy}; frame-ancestors 'none'`,
  "Cache-Control": "no-store",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer"
}
