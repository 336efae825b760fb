/**
 * The page that the demo server shows to a browser: a working WebSocket client in one document.
 *
 * After starting the server, a user opens its address and can connect, send and see the answers within seconds, and
 * read why a connection closed. The page is files beside this module, which `SingleFilePage` puts into one document, so
 * that the page loads nothing else.
 */
import * as SingleFilePage from "@effect-ws/inspector/SingleFilePage"
import * as files from "./files.ts"

const page = SingleFilePage.make(files)

/**
 * The demo page as one HTML document.
 *
 * @category page
 * @since 0.1.0
 */
export const html: string = page.html

/**
 * The demo page as a UTF-8 response body.
 *
 * @category page
 * @since 0.1.0
 */
export const bytes: Uint8Array = page.bytes

/**
 * The response headers of the demo page, see `SingleFilePage`.
 *
 * @category page
 * @since 0.1.0
 */
export const headers: Readonly<Record<string, string>> = page.headers
