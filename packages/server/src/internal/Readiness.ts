/**
 * Whether a server should get new clients, and the answer to the health check of a load balancer. A server that drains
 * still accepts and serves, but is not ready.
 */
import type * as Accept from "@effect-ws/connection/Accept"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import * as Utf8 from "@effect-ws/protocol/Utf8"

type Respond = Accept.AcceptOptions["respond"]

const answer = (status: number, text: string): Accept.HttpAnswer => ({
  status,
  headers: HeaderFields.fromEntries([
    ["Content-Type", "text/plain; charset=utf-8"],
    ["Cache-Control", "no-store"]
  ]),
  body: Utf8.encode(`${text}\n`)
})

export class Readiness {
  isReady = true
  private readonly path: string | undefined

  constructor(path: string | undefined) {
    this.path = path
  }

  /** Ends permanently: a drain has begun. */
  end(): void {
    this.isReady = false
  }

  /** Answers the path of the health check, and leaves all else to `others`. */
  respond(others: Respond): Respond {
    const { path } = this
    if (path === undefined) return others
    return (request) =>
      request.target === path ? (this.isReady ? answer(200, "ready") : answer(503, "draining")) : others?.(request)
  }
}
