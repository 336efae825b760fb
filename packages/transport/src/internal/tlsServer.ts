/**
 * The TLS of a server, with credentials that can be replaced: connections that are open keep what they were made with,
 * and every handshake from then on gets the new ones.
 */
import * as Arr from "effect/Array"
import * as Redacted from "effect/Redacted"
import * as Tls from "node:tls"
import type { Credentials, Identity, Pem } from "./TlsTypes.ts"

export interface TlsServerSettings {
  readonly alpnProtocols: ReadonlyArray<string>
  readonly handshakeTimeout: number
  readonly minVersion: Tls.SecureVersion
}

/** A `tls.Server` that does not listen: accepted sockets are passed to it. */
export interface ReplaceableTlsServer {
  readonly server: Tls.Server
  /** Replaces all credentials, or throws and replaces none. */
  readonly replace: (credentials: Credentials) => void
}

export const makeTlsServer = (credentials: Credentials, settings: TlsServerSettings): ReplaceableTlsServer => {
  const { minVersion } = settings
  let { clientCa } = credentials
  let contexts = contextsByName(credentials, clientCa, minVersion)
  const server = Tls.createServer({
    ...contextOptions(credentials, clientCa, minVersion),
    requestCert: clientCa !== undefined,
    rejectUnauthorized: clientCa !== undefined,
    ALPNProtocols: [...settings.alpnProtocols],
    handshakeTimeout: settings.handshakeTimeout,
    pauseOnConnect: true,
    // Without a context Node takes that of the server.
    SNICallback: (name, done) => done(null, contextOf(contexts, name))
  })
  const replace = (renewed: Credentials): void => {
    if (clientCa === undefined && renewed.clientCa !== undefined) {
      throw new Error("clientCa: this server was made without, and requests no client certificates")
    }
    const renewedCa = renewed.clientCa ?? clientCa
    const renewedContexts = contextsByName(renewed, renewedCa, minVersion)
    server.setSecureContext(contextOptions(renewed, renewedCa, minVersion))
    contexts = renewedContexts
    clientCa = renewedCa
  }
  return { server, replace }
}

type Contexts = ReadonlyMap<string, Tls.SecureContext>

const contextsByName = (
  { sniIdentities }: Credentials,
  clientCa: Credentials["clientCa"],
  minVersion: Tls.SecureVersion
): Contexts =>
  new Map(
    Object.entries(sniIdentities ?? {}).map(([name, identity]) => [
      name.toLowerCase(),
      Tls.createSecureContext(contextOptions(identity, clientCa, minVersion))
    ])
  )

/** `*.` stands for one label. RFC 9525 6.3: "the wildcard is matched against the left-most label only". */
const contextOf = (contexts: Contexts, name: string): Tls.SecureContext | undefined => {
  const lower = name.toLowerCase()
  return contexts.get(lower) ?? contexts.get(`*${lower.slice(Math.max(0, lower.indexOf(".")))}`)
}

const contextOptions = (
  identity: Identity,
  clientCa: Credentials["clientCa"],
  minVersion: Tls.SecureVersion
): Tls.SecureContextOptions => ({
  ...secrets(identity),
  ...(clientCa === undefined ? undefined : { ca: pems("clientCa", clientCa) }),
  minVersion
})

/** Node's form of an identity. */
export const secrets = (identity: Identity): Tls.SecureContextOptions => ({
  cert: pem("cert", identity.cert),
  key: pem("key", Redacted.isRedacted(identity.key) ? Redacted.value(identity.key) : identity.key),
  ...(identity.passphrase === undefined ? undefined : { passphrase: Redacted.value(identity.passphrase) })
})

// Node takes `undefined` for "no certificate", and clients would learn of it one by one, in their handshakes.
const pem = (name: string, input: Pem): string | Buffer => {
  if (typeof input === "string") return input
  if (input instanceof Uint8Array) return Buffer.from(input.buffer, input.byteOffset, input.byteLength)
  throw new TypeError(`${name}: expected PEM text or bytes, found ${input === null ? "null" : typeof input}`)
}

/** Node's form of one or more certificates. */
export const pems = (name: string, input: Pem | ReadonlyArray<Pem>): Array<string | Buffer> =>
  (Array.isArray(input) ? Arr.fromIterable(input as ReadonlyArray<Pem>) : [input as Pem]).map((one) => pem(name, one))
