/**
 * Certificates for tests of TLS, made anew for each run, so that none in the repository expires.
 */
import { generate } from "selfsigned"

/** PEM texts of a certificate and its key. */
export interface Pair {
  readonly cert: string
  readonly key: string
}

/** Whom a certificate is for. */
export interface Subject {
  /** The common name. */
  readonly name: string
  /** The host names that it is valid for. Default: none. */
  readonly hosts?: ReadonlyArray<string> | undefined
  /** The addresses that it is valid for. Default: none. */
  readonly addresses?: ReadonlyArray<string> | undefined
}

/** A certificate authority: its own certificate, which a peer has to trust, and what it signs. */
export interface Authority {
  readonly cert: string
  readonly issue: (subject: Subject) => Promise<Pair>
}

/** Names this machine. */
export const localhost = { hosts: ["localhost"], addresses: ["127.0.0.1"] } as const

const altNames = ({ addresses = [], hosts = [] }: Subject) => [
  ...hosts.map((value) => ({ type: 2 as const, value })),
  ...addresses.map((ip) => ({ type: 7 as const, ip }))
]

const make = async (subject: Subject, isAuthority: boolean, authority?: Pair): Promise<Pair> => {
  const names = altNames(subject)
  const made = await generate([{ name: "commonName", value: subject.name }], {
    keyType: "ec",
    algorithm: "sha256",
    ...(authority === undefined ? undefined : { ca: authority }),
    extensions: [
      { name: "basicConstraints", cA: isAuthority, critical: isAuthority },
      { name: "keyUsage", keyCertSign: isAuthority, digitalSignature: true, critical: isAuthority },
      ...(isAuthority ? [] : [{ name: "extKeyUsage" as const, serverAuth: true, clientAuth: true }]),
      ...(names.length === 0 ? [] : [{ name: "subjectAltName" as const, altNames: names }])
    ]
  })
  return { cert: made.cert, key: made.private }
}

/** Makes an authority. */
export const makeAuthority = async (name = "effect-ws test root"): Promise<Authority> => {
  const root = await make({ name }, true)
  return { cert: root.cert, issue: (subject) => make(subject, false, root) }
}

/** Makes a certificate that signs itself: a client that trusts it trusts its holder, and no other client does. */
export const makeSelfSigned = (subject: Subject): Promise<Pair> => make(subject, true)
