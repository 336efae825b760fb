/**
 * The values of single headers: what a parser accepts it also renders, and reads again as the same.
 */
import { DeflateFrame, Negotiation, PermessageDeflate } from "@effect-ws/extensions"
import * as Authority from "@effect-ws/protocol/Authority"
import * as Authorization from "@effect-ws/protocol/Authorization"
import * as BasicAuth from "@effect-ws/protocol/BasicAuth"
import * as BearerAuth from "@effect-ws/protocol/BearerAuth"
import * as DigestAuth from "@effect-ws/protocol/DigestAuth"
import * as ExtensionHeader from "@effect-ws/protocol/ExtensionHeader"
import * as ForwardedHeaders from "@effect-ws/protocol/ForwardedHeaders"
import * as Subprotocol from "@effect-ws/protocol/Subprotocol"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { mutate } from "../Mutation.ts"
import type { Target } from "../Target.ts"

/** Valid values of several headers, to begin with. */
export const values: ReadonlyArray<string> = [
  "permessage-deflate; client_max_window_bits",
  'permessage-deflate; server_max_window_bits=10; server_no_context_takeover, deflate-frame; max_window_bits="12"',
  "x-webkit-deflate-frame; no_context_takeover",
  'a;b="c\\"d";e, f',
  "chat, superchat",
  'Digest realm="a, b", nonce="n", qop="auth, auth-int", algorithm=SHA-256, opaque="\\"", Basic realm="x"',
  'Digest username="Mufasa", realm="r", nonce="n", uri="/", response="00", cnonce="c", nc=00000001, qop=auth',
  "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
  "Bearer abc.def-_~+/==",
  'for=192.0.2.60;proto=http;by="[2001:db8::1]:80", for="_x";host="a:1"',
  "192.0.2.1, [2001:db8::1]:4711, unknown",
  "https://example.com:8443",
  "[::1]:80"
]

/** Parses a value and renders it again; `undefined` where it was refused. */
type Read = (value: string) => { readonly parsed: unknown; readonly rendered: string | undefined } | undefined

const offered = [PermessageDeflate.make(), DeflateFrame.make()]

const ofResult = <A>(result: Result.Result<A, unknown>, render: (value: A) => string | undefined): ReturnType<Read> =>
  Result.isSuccess(result) ? { parsed: result.success, rendered: render(result.success) } : undefined

const readers: { readonly [name: string]: Read } = {
  extensions: (value) => ofResult(ExtensionHeader.parse(value), ExtensionHeader.render),
  negotiation: (value) => {
    const offers = ExtensionHeader.parse(value)
    if (Result.isFailure(offers)) return undefined
    const { answers } = Effect.runSync(Negotiation.negotiate(offered, offers.success))
    Negotiation.check(offered, offers.success)
    // What our server answers to any offer, it renders as a client can read it.
    return answers.length === 0 ? undefined : { parsed: answers, rendered: undefined }
  },
  subprotocols: (value) => ofResult(Subprotocol.parse(value), Subprotocol.render),
  challenges: (value) =>
    ofResult(Authorization.parseChallenges(value), (challenges) => {
      for (const challenge of challenges)
        if (Authorization.isScheme(challenge, "Digest")) DigestAuth.decodeChallenge(challenge)
      return challenges.map(Authorization.render).join(", ")
    }),
  credentials: (value) =>
    ofResult(Authorization.parseCredentials(value), (credentials) => {
      BasicAuth.decode(credentials)
      BearerAuth.decode(credentials)
      DigestAuth.decodeCredentials(credentials)
      return Authorization.render(credentials)
    }),
  forwarded: (value) => {
    for (const isTrusted of [() => true, () => false]) {
      ForwardedHeaders.read([{ name: "Forwarded", value }], "Forwarded", isTrusted)
      ForwardedHeaders.read([{ name: "X-Forwarded-For", value }], "X-Forwarded", isTrusted)
    }
    return undefined
  },
  authority: (value) => {
    Authority.parse(value)
    Authority.parseOrigin(value)
    return undefined
  }
}

const check = (read: Read, value: string): string | undefined => {
  const first = read(value)
  if (first?.rendered === undefined) return undefined
  const again = read(first.rendered)
  const [before, after] = [JSON.stringify(first.parsed), JSON.stringify(again?.parsed)]
  return before === after ? undefined : `render: ${after} when ${before} is read again`
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1")

export const target: Target = {
  name: "header",
  setups: Object.keys(readers),
  generate: (random) => {
    const count = 1 + random.length(4)
    const value = Array.from({ length: count }, () => random.pick(values)).join(random.pick([", ", ",", ";", " "]))
    const bytes = new Uint8Array(Buffer.from(value, "latin1"))
    return random.chance(0.9) ? mutate(bytes, random) : bytes
  },
  check: ({ bytes, setup }) => check(readers[setup]!, text(bytes)),
  work: ({ bytes, setup }) => (readers[setup]!(text(bytes)), 0)
}
