/** Certificates for a server and its clients, made anew for each run, in files for the command line to read. */
import * as TestCertificates from "@effect-ws/test-support/Certificates"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** PEM texts, and the paths of files that hold those of the server. */
export interface Certificates {
  readonly directory: string
  readonly ca: string
  readonly certFile: string
  readonly keyFile: string
  readonly caFile: string
  readonly client: TestCertificates.Pair
  readonly stranger: TestCertificates.Pair
}

/** Makes a directory that is gone with the Scope. */
export const directory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ws-test-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Makes certificates, with files that are gone with the Scope. */
export const make: Effect.Effect<Certificates, never, Scope.Scope> = Effect.gen(function* () {
  const root = yield* Effect.promise(() => TestCertificates.makeAuthority())
  const server = yield* Effect.promise(() => root.issue({ name: "server", ...TestCertificates.localhost }))
  const client = yield* Effect.promise(() => root.issue({ name: "client", ...TestCertificates.localhost }))
  const otherRoot = yield* Effect.promise(() => TestCertificates.makeAuthority())
  const stranger = yield* Effect.promise(() => otherRoot.issue({ name: "stranger", ...TestCertificates.localhost }))
  const path = yield* directory
  const file = (name: string, text: string): string => {
    writeFileSync(join(path, name), text, { mode: 0o600 })
    return join(path, name)
  }
  return {
    directory: path,
    ca: root.cert,
    certFile: file("cert.pem", server.cert),
    keyFile: file("key.pem", server.key),
    caFile: file("ca.pem", root.cert),
    client,
    stranger
  }
})
