import { Redacted } from "effect"
import { generate } from "selfsigned"
import type { Identity } from "../src/Tls.ts"

/** A root that signs everything below; made anew for each run. */
const root = await generate([{ name: "commonName", value: "effect-ws test root" }], {
  keyType: "ec",
  algorithm: "sha256",
  extensions: [
    { name: "basicConstraints", cA: true, critical: true },
    { name: "keyUsage", keyCertSign: true, digitalSignature: true, critical: true }
  ]
})

export const ca = root.cert

const issue = async (
  name: string,
  altNames: ReadonlyArray<{ type: 2; value: string } | { type: 7; ip: string }>,
  authority: { readonly private: string; readonly cert: string } | null = root
): Promise<Identity> => {
  const made = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    algorithm: "sha256",
    ...(authority === null ? undefined : { ca: { key: authority.private, cert: authority.cert } }),
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "keyUsage", digitalSignature: true },
      { name: "extKeyUsage", serverAuth: true, clientAuth: true },
      { name: "subjectAltName", altNames: [...altNames] }
    ]
  })
  return { cert: made.cert, key: Redacted.make(made.private) }
}

export const server = await issue("server", [
  { type: 2, value: "localhost" },
  { type: 7, ip: "127.0.0.1" }
])
export const other = await issue("other", [{ type: 2, value: "other.example" }])
export const client = await issue("client", [{ type: 2, value: "client.example" }])
export const stranger = await issue("stranger", [{ type: 2, value: "localhost" }], null)
