/**
 * The answers of the demo server to plain HTTP: its page where a WebSocket can be opened, and 404 elsewhere. Both only to
 * those who sign in, where that is asked for.
 */
import type { HttpAnswer } from "@effect-ws/connection/Accept"
import type { RequestHead } from "@effect-ws/protocol/HttpHead"
import * as Authorization from "@effect-ws/protocol/Authorization"
import * as BasicAuth from "@effect-ws/protocol/BasicAuth"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import * as Auth from "@effect-ws/server/Auth"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as DemoPage from "../page/DemoPage.ts"

/** Who may see the page, and what the password is for. */
export interface Guard {
  readonly realm: string
  readonly users: ReadonlyArray<readonly [name: string, password: Redacted.Redacted<string>]>
}

/**
 * Answers GET and HEAD. The page connects to the path it was loaded from, so it is at every location, and at `/` always.
 *
 * With a guard it asks for a password by Basic. A page cannot give one to a WebSocket; the browser does so by itself, but
 * only where it was asked for one before.
 */
export const make = (locations: ReadonlyArray<string>, guard?: Guard): ((request: RequestHead) => HttpAnswer) => {
  const paths = new Set(["/", ...locations])
  const open = (request: RequestHead): HttpAnswer => (paths.has(pathOf(request.target)) ? page : missing)
  if (guard === undefined) return open
  const challenge = Authorization.render(BasicAuth.challenge(guard))
  const locked = textAnswer(401, "the page is for those who sign in\n", [["WWW-Authenticate", challenge]])
  return (request) => (isKnown(request, guard) ? open(request) : locked)
}

const isKnown = (request: RequestHead, { users }: Guard): boolean => {
  const [header, ...more] = HeaderFields.getAll(request.headers, "Authorization")
  if (header === undefined || more.length > 0) return false
  const credentials = Authorization.parseCredentials(header)
  if (Result.isFailure(credentials) || !Authorization.isScheme(credentials.success, "Basic")) return false
  const given = BasicAuth.decode(credentials.success)
  if (Result.isFailure(given)) return false
  const { password, username } = given.success
  // All of them are compared, so that the time does not tell which names there are.
  return users
    .map(([name, secret]) => ({ isSecret: Auth.sameSecret(password, secret), isName: name === username }))
    .some(({ isName, isSecret }) => isName && isSecret)
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
