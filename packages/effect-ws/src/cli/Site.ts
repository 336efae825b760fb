/**
 * The answers of the demo server to plain HTTP: its page where a WebSocket can be opened, and 404 elsewhere.
 */
import type { HttpAnswer } from "@effect-ws/connection/Accept"
import type { RequestHead } from "@effect-ws/protocol/HttpHead"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import * as DemoPage from "../page/DemoPage.ts"

/**
 * Answers GET and HEAD. The page connects to the path it was loaded from, so it is at every location, and at `/` always.
 */
export const make = (locations: ReadonlyArray<string>): ((request: RequestHead) => HttpAnswer) => {
  const paths = new Set(["/", ...locations])
  return (request) => (paths.has(pathOf(request.target)) ? page : missing)
}

// RFC 9112 3.2.2: "a server MUST accept the absolute-form in requests"
const pathOf = (target: string): string => {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*$/, "")
  return path === "" ? "/" : path
}

const page: HttpAnswer = {
  status: 200,
  headers: HeaderFields.fromEntries(Object.entries(DemoPage.headers)),
  body: DemoPage.bytes
}

const text = new TextEncoder().encode("nothing is served at this path\n")

const missing: HttpAnswer = {
  status: 404,
  headers: HeaderFields.fromEntries([
    ["Content-Type", "text/plain; charset=utf-8"],
    ["Content-Length", String(text.length)],
    ["X-Content-Type-Options", "nosniff"]
  ]),
  body: text
}
