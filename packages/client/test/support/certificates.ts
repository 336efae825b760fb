import * as Certificates from "@effect-ws/test-support/Certificates"
import type { Identity } from "@effect-ws/transport/Tls"
import { Redacted } from "effect"

const authority = await Certificates.makeAuthority()

const toIdentity = ({ cert, key }: Certificates.Pair): Identity => ({ cert, key: Redacted.make(key) })

/** The authority that vouches for `server` and `client`. */
export const ca = authority.cert

/** A server's certificate, for `localhost`. */
export const server = await authority.issue({ name: "localhost", hosts: ["localhost"] })

/** A client's certificate of no trusted authority. */
export const stranger: Identity = toIdentity(await Certificates.makeSelfSigned({ name: "stranger.example" }))

/** A client's certificate. */
export const client: Identity = toIdentity(await authority.issue({ name: "client.example", hosts: ["client.example"] }))
