/**
 * Signing in with curl, whose Basic and Digest share no code with ours.
 */
import * as Accept from "@effect-ws/connection/Accept"
import type { DigestAlgorithm } from "@effect-ws/protocol/DigestAuth"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Dialer from "@effect-ws/transport/Dialer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { execFile, spawnSync } from "node:child_process"
import * as Auth from "../src/Auth.ts"
import * as AuthNonces from "../src/AuthNonces.ts"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { captureLogs } from "@effect-ws/test-peers/Programs"

const isMissing = process.env.CI === undefined && spawnSync("curl", ["--version"]).status !== 0

const users = Auth.users([
  ["user", Redacted.make("pa:ss")],
  ['J\u00e4s\u00f8n "Doe\\"', Redacted.make("\u00a3")]
])

const digest = (...algorithms: ReadonlyArray<DigestAlgorithm>): Auth.Policy<string, AuthNonces.AuthNonces> =>
  Auth.digest({ realm: 'the "chat"', ...users, algorithms })
const basic = Auth.basic({ realm: "chat", ...users })

/** The statuses that curl saw, one after the other. */
const curl = (url: string, args: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<number>> =>
  Effect.callback((resume) => {
    const headers = [
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    ]
    const child = execFile(
      "curl",
      ["-sSi", "--noproxy", "*", "--max-time", "10", ...args, ...headers.flatMap((header) => ["-H", header]), url],
      { encoding: "latin1" },
      (_, stdout) =>
        resume(Effect.succeed([...stdout.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map((match) => Number(match[1]))))
    )
    return Effect.sync(() => child.kill())
  })

const statuses = (
  policy: Auth.Policy<string, AuthNonces.AuthNonces>,
  ...args: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<number>, unknown> =>
  Effect.gen(function* () {
    const server = yield* WebSocketServer.WebSocketServer
    return yield* curl(`http://${Dialer.formatAddress(server.address)}/chat?a=b`, args)
  }).pipe(
    Effect.provide(
      WebSocketServer.layer(() => Effect.void, {
        decide: Auth.required(policy, Accept.policy({ paths: ["/chat"] })),
        // curl never answers a close frame
        closeTimeout: "50 millis"
      }).pipe(Layer.provide([Tcp.layerServer({ port: 0 }), AuthNonces.layer()]))
    ),
    Effect.provide(captureLogs([]))
  )

describe.skipIf(isMissing)("curl (left out where curl is missing)", () => {
  const test = (name: string, found: ReturnType<typeof statuses>, expected: ReadonlyArray<number>): void => {
    it.live(name, () => Effect.map(found, (found) => assert.deepStrictEqual(found, expected)), 20_000)
  }

  test("signs in by Basic at once", statuses(basic, "--basic", "-u", "user:pa:ss"), [101])
  test("is refused by Basic", statuses(basic, "--basic", "-u", "user:wrong"), [401])
  test("is refused without credentials", statuses(Auth.anyOf(digest("MD5"), basic)), [401])

  for (const algorithm of ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess"] as const) {
    const policy = digest(algorithm)
    test(`signs in by ${algorithm}`, statuses(policy, "--digest", "-u", "user:pa:ss"), [401, 101])
    test(`is refused by ${algorithm}`, statuses(policy, "--digest", "-u", "user:wrong"), [401, 401])
  }

  test(
    "signs in with quotes and letters outside of ASCII in its name",
    statuses(digest("SHA-256"), "--digest", "-u", 'J\u00e4s\u00f8n "Doe\\":\u00a3'),
    [401, 101]
  )

  test(
    "takes the first of several challenges",
    statuses(Auth.anyOf(digest("SHA-256", "MD5"), basic), "--anyauth", "-u", "user:pa:ss"),
    [401, 101]
  )
})
