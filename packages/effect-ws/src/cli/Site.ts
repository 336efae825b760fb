/**
 * The responses of the demo server to plain HTTP: its page at the WebSocket paths, and 404 elsewhere. With
 * authentication, both require credentials.
 */
import type { HttpAnswer } from "@effect-ws/connection/Accept"
import type { RequestHead } from "@effect-ws/protocol/HttpHead"
import type { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import * as DemoPage from "../page/DemoPage.ts"

/** Checks access to the page. Returns a rejection, or `undefined` for an allowed request. */
export type Guard = (request: UpgradeRequest) => HandshakeRejection | undefined

/**
 * Responds to GET and HEAD. The page connects to the path it was loaded from, so it is at every served path, and always
 * at `/`.
 *
 * With a guard, the page requires a password. A page cannot give credentials to a WebSocket; the browser sends them
 * itself, but only after a page of the same origin and realm asked for them.
 */
export const make = (served: ReadonlyArray<string>, guard?: Guard): ((request: RequestHead) => HttpAnswer) => {
  const paths = new Set(["/", ...served])
  const open = (request: RequestHead): HttpAnswer => (paths.has(pathOf(request.target)) ? page : missing)
  if (guard === undefined) return open
  return (request) => {
    const rejection = guard(toUpgrade(request))
    if (rejection === undefined) return open(request)
    const headers = rejection.headers.map(({ name, value }) => [name, value] as const)
    return textAnswer(rejection.status, `sign in to see this page: ${rejection.reason}\n`, headers)
  }
}

// The part of a request that a guard reads.
const toUpgrade = ({ headers, target }: RequestHead): UpgradeRequest => ({
  version: "HTTP/1.1",
  target,
  path: pathOf(target),
  query: "",
  host: HeaderFields.get(headers, "Host") ?? "",
  origin: undefined,
  key: "",
  subprotocols: [],
  extensions: [],
  headers,
  secure: undefined
})

// RFC 9112 3.2.2: "a server MUST accept the absolute-form in requests"
const pathOf = (target: string): string => {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*$/, "")
  return path === "" ? "/" : path
}

const page: HttpAnswer = {
  status: 200,
  headers: DemoPage.headers,
  body: DemoPage.bytes
}

const textAnswer = (
  status: number,
  text: string,
  more: ReadonlyArray<readonly [name: string, value: string]> = []
): HttpAnswer => {
  const body = new TextEncoder().encode(text)
  return {
    status,
    headers: HeaderFields.fromEntries([
      ["Content-Type", "text/plain; charset=utf-8"],
      ["Content-Length", String(body.length)],
      ["X-Content-Type-Options", "nosniff"],
      ...more
    ]),
    body
  }
}

const missing = textAnswer(404, "nothing is served at this path\n")
