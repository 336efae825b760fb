import * as Certificates from "@effect-ws/test-support/Certificates"
import { Redacted } from "effect"
import type { Identity } from "../src/Tls.ts"

const authority = await Certificates.makeAuthority()

const toIdentity = ({ cert, key }: Certificates.Pair): Identity => ({ cert, key: Redacted.make(key) })

/** The certificate of the authority that signs `server`, `other` and `client`. */
export const ca = authority.cert
export const server = toIdentity(await authority.issue({ name: "server", ...Certificates.localhost }))
export const other = toIdentity(await authority.issue({ name: "other", hosts: ["other.example"] }))
export const client = toIdentity(await authority.issue({ name: "client", hosts: ["client.example"] }))
export const stranger = toIdentity(await Certificates.makeSelfSigned({ name: "stranger", hosts: ["localhost"] }))
