/**
 * The TLS part of a peer's description, for the socket of a stream and for the HTTP/2 streams on it.
 */
import type { Duplex } from "node:stream"
import * as Tls from "node:tls"

export const alpnProtocol = (stream: Duplex): string | undefined =>
  (stream instanceof Tls.TLSSocket && stream.alpnProtocol) || undefined

export const serverName = (stream: Duplex): string | undefined => {
  const name: unknown = "servername" in stream ? stream.servername : undefined
  return typeof name === "string" ? name : undefined
}

export const authorized = (stream: Duplex): boolean => stream instanceof Tls.TLSSocket && stream.authorized

export const peerCertificate = (stream: Duplex): Tls.PeerCertificate | undefined => {
  if (!(stream instanceof Tls.TLSSocket)) return undefined
  // Node returns an empty object without a certificate, and null once the socket is gone.
  const certificate = stream.getPeerCertificate() as Tls.PeerCertificate | null
  return certificate !== null && "raw" in certificate ? certificate : undefined
}
