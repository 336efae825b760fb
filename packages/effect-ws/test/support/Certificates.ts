/** Certificates for a server and its clients, made anew for each run, in files for the command line to read. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { generate } from "selfsigned"

/** PEM texts, and the paths of files that hold those of the server. */
export interface Certificates {
  readonly directory: string
  readonly ca: string
  readonly certFile: string
  readonly keyFile: string
  readonly caFile: string
  readonly client: Pair
  readonly stranger: Pair
}

interface Pair {
  readonly cert: string
  readonly key: string
}

const makeRoot = () =>
  generate([{ name: "commonName", value: "effect-ws test root" }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, digitalSignature: true, critical: true }
    ]
  })

const issue = async (name: string, root: Awaited<ReturnType<typeof makeRoot>>): Promise<Pair> => {
  const made = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    algorithm: "sha256",
    ca: { key: root.private, cert: root.cert },
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "keyUsage", digitalSignature: true },
      { name: "extKeyUsage", serverAuth: true, clientAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          { type: 7, ip: "127.0.0.1" }
        ]
      }
    ]
  })
  return { cert: made.cert, key: made.private }
}

/** Makes a directory that is gone with the Scope. */
export const directory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ws-test-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Makes certificates, with files that are gone with the Scope. */
export const make: Effect.Effect<Certificates, never, Scope.Scope> = Effect.gen(function* () {
  const root = yield* Effect.promise(makeRoot)
  const server = yield* Effect.promise(() => issue("server", root))
  const client = yield* Effect.promise(() => issue("client", root))
  const otherRoot = yield* Effect.promise(makeRoot)
  const stranger = yield* Effect.promise(() => issue("stranger", otherRoot))
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
