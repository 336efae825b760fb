/**
 * Certificates, identities and options of TLS: the types of `Tls`, for the code that uses them.
 */
import type * as Redacted from "effect/Redacted"

/**
 * PEM data, as text or bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type Pem = string | Uint8Array

/**
 * A certificate and its private key.
 *
 * @category models
 * @since 0.1.0
 */
export interface Identity {
  /** Certificate, followed by the intermediate certificates. */
  readonly cert: Pem
  readonly key: Redacted.Redacted<Pem>
  /** Passphrase of the key. Default: none. */
  readonly passphrase?: Redacted.Redacted<string> | undefined
}

/**
 * The certificate of a TLS server, and the certificates that it trusts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Credentials extends Identity {
  /**
   * Identities by server name (SNI); a name may begin with `*.`. Other clients get `cert`. Default: none.
   */
  readonly sniIdentities?: Readonly<Record<string, Identity>> | undefined
  /**
   * Authorities of client certificates. A client without a certificate of theirs is rejected in the handshake. Default:
   * no client certificates are required.
   */
  readonly clientCa?: Pem | ReadonlyArray<Pem> | undefined
}
