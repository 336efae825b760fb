/**
 * The page that the demo server shows to a browser: a working WebSocket client in one document.
 *
 * Someone who starts the server and opens its address should be able to connect, send and watch what comes back within
 * seconds, and should be told in words why a connection ended. The page loads nothing: style and script are inside it,
 * and its Content-Security-Policy allows exactly these two, by hash, and WebSocket connections. A module of text works
 * the same from `src` under type stripping and from `dist`; there is no file to find or to copy.
 */
import { createHash } from "node:crypto"
import { script } from "./PageScript.ts"
import { style } from "./PageStyle.ts"

const hash = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`

const policy = [
  "default-src 'none'",
  `script-src ${hash(script)}`,
  `style-src ${hash(style)}`,
  "img-src data:",
  "connect-src ws: wss:",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'"
].join("; ")

const icon =
  "data:image/svg+xml," +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#1f5fd6"/>' +
      '<path d="M10 23V10m-4 4 4-4 4 4M22 9v13m-4-4 4 4 4-4" fill="none" stroke="#fff" stroke-width="3"/></svg>'
  )

/**
 * Holds the demo page as one HTML document.
 *
 * @category page
 * @since 0.1.0
 */
export const html: string = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>effect-ws</title>
<link rel="icon" href="${icon}">
<style>${style}</style>
</head>
<body>
<header>
  <div class="name">
    <h1>effect-ws</h1>
    <p>WebSockets for Effect. Connect, send, watch what comes back.</p>
  </div>
  <p id="status" role="status" data-state="closed">Disconnected</p>
</header>
<main>
  <div class="controls">
    <form id="connection" aria-label="Connection" novalidate>
      <label for="url">URL</label>
      <div class="field"><input id="url" type="text" inputmode="url" autocomplete="off" autocapitalize="off" spellcheck="false"></div>
      <label for="protocols">Subprotocols</label>
      <div class="field"><input id="protocols" type="text" placeholder="none; separate several by commas" autocomplete="off" autocapitalize="off" spellcheck="false"></div>
      <button id="connect" class="main" type="submit">Connect</button>
      <p class="problem" role="alert"></p>
      <p id="outcome" role="status"></p>
    </form>
    <form id="message" aria-label="Text message">
      <label for="text">Text</label>
      <div class="field"><textarea id="text" rows="2" spellcheck="false" aria-describedby="text-hint">Hello, WebSocket</textarea></div>
      <div class="row">
        <button id="send-text" class="main" type="submit">Send text</button>
        <span id="text-hint" class="hint">or press Enter</span>
      </div>
    </form>
    <form id="bytes" aria-label="Binary message">
      <label for="binary">Binary, in hexadecimal</label>
      <div class="field"><input id="binary" type="text" value="00 01 7f 80 ff" autocomplete="off" autocapitalize="off" spellcheck="false"></div>
      <div class="row">
        <button id="send-binary" type="submit">Send bytes</button>
        <label class="file">Send a file…<input id="file" class="unseen" type="file"></label>
      </div>
      <p class="problem" role="alert"></p>
    </form>
    <form id="closing" aria-label="Close" novalidate>
      <div class="pair">
        <label for="close-code">Close code</label>
        <label for="close-reason">Reason</label>
        <div class="field"><input id="close-code" type="text" inputmode="numeric" value="1000" autocomplete="off"></div>
        <div class="field"><input id="close-reason" type="text" placeholder="none" autocomplete="off"></div>
      </div>
      <button id="disconnect" type="submit">Disconnect</button>
      <p class="problem" role="alert"></p>
    </form>
  </div>
  <section class="traffic" aria-label="Traffic">
    <dl class="figures">
      <div class="latency">
        <dt>Last round trip</dt>
        <dd><span id="rtt">–</span> <span class="unit">ms</span></dd>
        <dd><svg id="bars" viewBox="0 0 256 32" preserveAspectRatio="none" aria-hidden="true"></svg></dd>
        <dd id="rtt-range" class="hint"></dd>
      </div>
      <div><dt>Sent</dt><dd><span id="sent">0</span><span id="sent-bytes" class="hint">0 B</span></dd></div>
      <div><dt>Received</dt><dd><span id="received">0</span><span id="received-bytes" class="hint">0 B</span></dd></div>
      <div><dt>Open for</dt><dd><span id="uptime">–</span><span class="hint"><span id="buffered">0 B</span> buffered</span></dd></div>
    </dl>
    <dl class="agreed">
      <div><dt>Subprotocol</dt><dd id="subprotocol">–</dd></div>
      <div><dt>Extensions</dt><dd id="extensions">–</dd></div>
    </dl>
    <div class="bar">
      <h2 id="log-name">Log</h2>
      <span id="entries" class="hint"></span>
      <button id="clear" type="button">Clear</button>
    </div>
    <div class="well">
      <p id="empty">Nothing yet.</p>
      <ol id="log" role="log" aria-labelledby="log-name" tabindex="0"></ol>
    </div>
  </section>
</main>
<noscript>This page is a WebSocket client and needs JavaScript.</noscript>
<script>${script}</script>
</body>
</html>
`

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
