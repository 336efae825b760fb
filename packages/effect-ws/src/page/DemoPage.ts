/**
 * The page that the demo server shows to a browser: a working WebSocket client in one document.
 *
 * Someone who starts the server and opens its address should be able to connect, send and watch what comes back within
 * seconds, and should read in words why a connection ended. The page is three files beside this module, which a browser
 * can also open from disk. This module puts style and script inside the document, because then the page loads nothing,
 * and its Content-Security-Policy allows exactly these two, by hash, and WebSocket connections.
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
  if (parts.length !== 2) throw new Error(`index.html has ${parts.length - 1} times ${tag}, expected once`)
  return parts.join(by)
}

const charset = '<meta charset="utf-8" />'
const inline: ReadonlyArray<readonly [tag: string, by: string]> = [
  [charset, `${charset}\n    <meta http-equiv="Content-Security-Policy" content="${policy}" />`],
  ['<link rel="stylesheet" href="style.css" />', `<style>${files.style}</style>`],
  ['<script type="module" src="client.js"></script>', `<script type="module">${files.script}</script>`]
]

/**
 * Holds the demo page as one HTML document.
 *
 * @category page
 * @since 0.1.0
 */
export const html: string = inline.reduce((text, [tag, by]) => replace(text, tag, by), files.html)

/**
 * Holds the demo page as the bytes of a response body, in UTF-8.
 *
 * @category page
 * @since 0.1.0
 */
export const bytes: Uint8Array = new TextEncoder().encode(html)

/**
 * Holds the response headers that belong to the demo page.
 *
 * **Details**
 *
 * Besides type and length they forbid framing and caching, and isolate the page, which makes the browser's clock fine
 * enough (5 microseconds) for round trips on one machine.
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
