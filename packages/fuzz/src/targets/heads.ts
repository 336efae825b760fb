/**
 * HTTP heads and the opening handshake: what a client sends to a server, and what a server answers.
 */
import { PermessageDeflate, DeflateFrame, Negotiation } from "@effect-ws/extensions"
import * as ClientHandshake from "@effect-ws/protocol/ClientHandshake"
import * as HandshakePolicy from "@effect-ws/protocol/HandshakePolicy"
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import { defaultLimits, HttpHeadError, HeadParser } from "@effect-ws/protocol/HeadParser"
import type { ParsedHead } from "@effect-ws/protocol/HeadParser"
import { encodeRequest, encodeResponse } from "@effect-ws/protocol/HttpHead"
import type { RequestHead, ResponseHead } from "@effect-ws/protocol/HttpHead"
import * as ServerHandshake from "@effect-ws/protocol/ServerHandshake"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { createHash } from "node:crypto"
import { cuts, mutate } from "../Mutation.ts"
import { Random, seedOf } from "../Random.ts"
import type { Input, Target } from "../Target.ts"
import { values } from "./headers.ts"

const sha1 = (text: string): string => createHash("sha1").update(text).digest("base64")
const key = "dGhlIHNhbXBsZSBub25jZQ=="
const extensions = [PermessageDeflate.make({ clientMaxWindowBits: 12 }), DeflateFrame.make()]

type Kind = "request" | "response"

const rare = (random: Random): ReadonlyArray<string> =>
  random.chance(0.5)
    ? []
    : [
        random.pick([
          "X-Long: ",
          "Cookie: ",
          "A:",
          "Content-Length: 0",
          "Transfer-Encoding: chunked",
          "Host: other",
          "Origin: https://example.com",
          "Content-Length: 1, 1"
        ]) + random.pick(values)
      ]

const request = (random: Random): string =>
  [
    `GET ${random.pick(["/", "/chat?x=1", "http://localhost/a", "*", "//", "/%zz"])} HTTP/1.1`,
    "Host: localhost:8000",
    "Upgrade: websocket",
    `Connection: ${random.pick(["Upgrade", "keep-alive, Upgrade"])}`,
    `Sec-WebSocket-Key: ${key}`,
    "Sec-WebSocket-Version: 13",
    ...(random.chance(0.5) ? [`Sec-WebSocket-Extensions: ${random.pick(values)}`] : []),
    ...(random.chance(0.5) ? ["Sec-WebSocket-Protocol: chat, superchat"] : []),
    ...rare(random)
  ].join("\r\n")

const response = (random: Random): string =>
  [
    `HTTP/1.1 ${random.pick(["101 Switching Protocols", "101 ", "404 Not Found"])}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ...(random.chance(0.5) ? [`Sec-WebSocket-Extensions: ${random.pick(values)}`] : []),
    ...(random.chance(0.3) ? ["Sec-WebSocket-Protocol: chat"] : []),
    ...rare(random)
  ].join("\r\n")

interface Read {
  readonly outcome: string
  readonly head: RequestHead | ResponseHead | undefined
}

// What follows the head comes back untouched, so what was given and what comes back has to have the same end.
const read = (kind: Kind, chunks: ReadonlyArray<Uint8Array>): Read => {
  const parser = new HeadParser(kind)
  for (const [at, chunk] of chunks.entries()) {
    const step: ParsedHead<RequestHead | ResponseHead> | HttpHeadError | undefined = parser.push(chunk)
    if (step === undefined) continue
    if (step instanceof HttpHeadError) return { outcome: `${step.rule} ${step.status} ${step.offset}`, head: undefined }
    const rest = Buffer.concat([step.rest, ...chunks.slice(at + 1)])
    return { outcome: `${JSON.stringify(step.head)} ${rest.toString("latin1")}`, head: step.head }
  }
  return { outcome: "incomplete", head: undefined }
}

const isRequest = (head: RequestHead | ResponseHead): head is RequestHead => "method" in head

const decide = (head: RequestHead): void => {
  const upgrade = ServerHandshake.readUpgrade(head)
  if (Result.isFailure(upgrade)) {
    HandshakeRejection.encode(upgrade.failure)
    return
  }
  HandshakePolicy.decide(upgrade.success, { origins: ["https://example.com"], subprotocols: ["chat"] })
  Effect.runSync(Negotiation.negotiate(extensions, upgrade.success.extensions))
}

const accept = (head: ResponseHead): void => {
  const sent = { key, sha1, subprotocols: ["chat"], extensions: Negotiation.offer(extensions) }
  const accepted = ClientHandshake.checkResponse(sent, head)
  if (Result.isSuccess(accepted)) Negotiation.check(extensions, accepted.success.extensions)
}

const most = defaultLimits.maxHeaderBytes + defaultLimits.maxTargetBytes + 1024

const check = (kind: Kind, { bytes }: Input): string | undefined => {
  const [whole, ...pieces] = cuts(bytes, new Random(seedOf(bytes)))
  const { head, outcome } = read(kind, whole!)
  for (const chunks of pieces) {
    const other = read(kind, chunks).outcome
    if (other !== outcome)
      return `split: ${other.slice(0, 100)} in ${chunks.length} pieces, ${outcome.slice(0, 100)} whole`
  }
  if (outcome === "incomplete" && bytes.length > most) return `limit: ${bytes.length} bytes and no end`
  if (head === undefined) return undefined
  const encoded = isRequest(head) ? encodeRequest(head) : encodeResponse(head)
  if (Result.isFailure(encoded)) {
    // A response is read whatever it says of its length, and not written so: see `HeadParser`.
    if (kind === "response" && encoded.failure.part === "BodyLength") return undefined
    return `encode: ${encoded.failure.message}`
  }
  const again = read(kind, [encoded.success])
  if (JSON.stringify(again.head) !== JSON.stringify(head))
    return `encode: ${again.outcome.slice(0, 200)} when read again`
  if (isRequest(head)) decide(head)
  else accept(head)
  return undefined
}

const target = (kind: Kind): Target => ({
  name: kind,
  setups: ["head"],
  generate: (random) => {
    const head = `${kind === "request" ? request(random) : response(random)}\r\n\r\n`
    const bytes = new Uint8Array(Buffer.from(random.chance(0.2) ? `${head}\u0081\u0080rest` : head, "latin1"))
    return random.chance(0.85) ? mutate(bytes, random) : bytes
  },
  check: (input) => check(kind, input),
  work: (input) => {
    const { head } = read(kind, cuts(input.bytes, new Random(1))[2]!)
    if (head === undefined) return 0
    if (isRequest(head)) decide(head)
    else accept(head)
    return 0
  },
  hold: async ({ bytes }) => {
    const parser = new HeadParser(kind)
    for (let at = 0; at < bytes.length; at += 7) {
      if (parser.push(bytes.slice(at, at + 7)) !== undefined) break
    }
    return parser
  },
  heldLimit: most
})

export const targets: ReadonlyArray<Target> = [target("request"), target("response")]
