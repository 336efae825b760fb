import type { Identity } from "@effect-ws/transport/Tls"
import { Redacted } from "effect"
import { generate } from "selfsigned"

// Made anew for each run.
const root = await generate([{ name: "commonName", value: "effect-ws test root" }], {
  keyType: "ec",
  algorithm: "sha256",
  extensions: [
    { name: "basicConstraints", cA: true, critical: true },
    { name: "keyUsage", keyCertSign: true, digitalSignature: true, critical: true }
  ]
})

/** The authority that vouches for the others. */
export const ca = root.cert

const issue = async (name: string): Promise<{ readonly cert: string; readonly key: string }> => {
  const made = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    algorithm: "sha256",
    ca: { key: root.private, cert: root.cert },
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "keyUsage", digitalSignature: true },
      { name: "extKeyUsage", serverAuth: true, clientAuth: true },
      { name: "subjectAltName", altNames: [{ type: 2, value: name }] }
    ]
  })
  return { cert: made.cert, key: made.private }
}

/** A server's certificate, for `localhost`. */
export const server = await issue("localhost")

const person = await issue("client.example")

const unknown = await generate([{ name: "commonName", value: "stranger.example" }], { keyType: "ec" })

/** A client's certificate that nobody vouches for. */
export const stranger: Identity = { cert: unknown.cert, key: Redacted.make(unknown.private) }

/** A client's certificate. */
export const client: Identity = { cert: person.cert, key: Redacted.make(person.key) }
