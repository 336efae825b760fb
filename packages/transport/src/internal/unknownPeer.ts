import type { PeerInfo } from "../Push.ts"

/** The peer of which nothing is known, as over a socket that is not of our transports. */
export const unknownPeer: PeerInfo = {
  remoteAddress: undefined,
  localAddress: undefined,
  secure: false,
  alpnProtocol: undefined,
  serverName: undefined,
  authorized: false,
  peerCertificate: undefined
}
