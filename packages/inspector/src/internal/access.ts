/**
 * Access to the inspector: checks the token in the path and the `Host` header.
 *
 * A page from elsewhere can point a name of its own at a loopback address, and its visitors' browsers then take the
 * inspector for a part of that page. Such a request has that name in its `Host` header, so names are refused, except
 * `localhost` and those that the program lists.
 */
import { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import { createHash, timingSafeEqual } from "node:crypto"

/** Returns whether a `Host` header is an address, `localhost`, or one of `hosts`. */
export const isAllowedHost = (host: string | undefined, hosts: ReadonlyArray<string> | "any"): boolean => {
  if (hosts === "any") return true
  const name = host?.toLowerCase().replace(/:\d*$/, "")
  if (name === undefined || name === "") return false
  return name === "localhost" || isAddress(name) || hosts.some((allowed) => allowed.toLowerCase() === name)
}

const isAddress = (name: string): boolean => /^\d{1,3}(?:\.\d{1,3}){3}$/.test(name) || /^\[[\da-f:.]+\]$/.test(name)

/** Compares in a time that does not depend on how much is right. */
export const isToken = (given: string, token: string): boolean => timingSafeEqual(digest(given), digest(token))

const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest()

export const wrongHost = new HandshakeRejection({
  status: 403,
  reason: "the inspector answers to addresses, to localhost, and to the names in its option hosts"
})

export const wrongToken = new HandshakeRejection({
  status: 403,
  reason: "the token is missing or wrong: open the address that the inspector printed when it started"
})
