/**
 * What TLS says of the peer of a Node stream, for the socket of the stream itself and for the streams of HTTP/2 on it.
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
  // Node gives an empty object where there is none, and null once the socket is gone.
  const certificate = stream.getPeerCertificate() as Tls.PeerCertificate | null
  return certificate !== null && "raw" in certificate ? certificate : undefined
}
