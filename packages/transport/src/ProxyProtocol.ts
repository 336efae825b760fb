/**
 * The PROXY protocol header, versions 1 and 2. A proxy that forwards bytes sends it first, with the addresses of the
 * connection that it forwards. The specification is haproxy's `doc/proxy-protocol.txt`.
 *
 * The parser is pure and strict: it takes bytes in any chunks, buffers at most one header, and rejects a connection at
 * the first byte that cannot belong to a header. It does not decide whether the sender is trusted: servers read the
 * header only with the option `proxyProtocol`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { integer } from "./internal/options.ts"

/**
 * Options of a server that reads the PROXY protocol header.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProxyProtocolOptions {
  /**
   * Proxies whose header is trusted: addresses, ranges such as `"10.0.0.0/8"`, and `"unix"` for all peers on Unix
   * sockets. Connections from other addresses are dropped. Default: all peers are trusted.
   */
  readonly trustedProxies?: ReadonlyArray<string> | undefined
  /**
   * Maximum time for the header from the accept of the connection; then the connection is dropped. Default: 5 seconds.
   */
  readonly headerTimeout?: Duration.Input | undefined
  /**
   * Maximum bytes of the header, ignored parts included, at least 107; longer ones are rejected. Default: 4096.
   */
  readonly maxHeaderBytes?: number | undefined
}

/**
 * A parsed header.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProxyHeader {
  readonly version: 1 | 2
  /**
   * Endpoints of the forwarded connection. `undefined` where the proxy speaks for itself (`LOCAL`) or does not know
   * them (`UNKNOWN`, `UNSPEC`): then the addresses of the connection itself apply.
   */
  readonly endpoints: Endpoints | undefined
  /** Length of the header in bytes. */
  readonly length: number
}

/**
 * The two ends of a forwarded connection. A Unix socket without a name has the path `""`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Endpoints {
  readonly source: NetAddress.SocketAddress
  readonly destination: NetAddress.SocketAddress
}

/**
 * Reports bytes that are not a PROXY protocol header.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProxyProtocolError extends Schema.TaggedError<ProxyProtocolError>(
  "@effect-ws/transport/ProxyProtocolError"
)("ProxyProtocolError", {
  rule: Schema.Literals([
    "MissingHeader",
    "MalformedLine",
    "InvalidAddress",
    "InvalidPort",
    "UnsupportedVersion",
    "UnknownCommand",
    "UnknownFamily",
    "HeaderTooShort",
    "HeaderTooLong"
  ]),
  detail: Schema.String
}) {
  override get message(): string {
    return `invalid PROXY protocol header: ${this.detail}`
  }
}

/**
 * A header, and the bytes after it in the last chunk: a view of that chunk, possibly empty.
 *
 * @category models
 * @since 0.1.0
 */
export interface ParsedHeader {
  readonly _tag: "ParsedHeader"
  readonly header: ProxyHeader
  readonly rest: Uint8Array
}

/** Default maximum bytes of a header. */
export const defaultMaxHeaderBytes = 4096

/**
 * Parses one header from chunks.
 *
 * @category decoding
 * @since 0.1.0
 */
export class ProxyHeaderParser {
  private readonly maxBytes: number
  private held: Uint8Array = empty

  constructor(options?: Pick<ProxyProtocolOptions, "maxHeaderBytes">) {
    this.maxBytes = integer("maxHeaderBytes", options?.maxHeaderBytes ?? defaultMaxHeaderBytes, maxLine)
  }

  /**
   * Takes the next chunk. Returns the header when it is complete, `undefined` before, and an error as soon as the bytes
   * cannot be a header. Do not call it again after a header or an error.
   */
  push(chunk: Uint8Array): ParsedHeader | ProxyProtocolError | undefined {
    const before = this.held.length
    // Bytes beyond the limit change nothing.
    const bytes = concat(this.held, chunk.subarray(0, this.maxBytes - before))
    const header = parse(bytes, this.maxBytes)
    if (header === undefined) this.held = bytes
    else this.held = empty
    return header === undefined || header instanceof ProxyProtocolError
      ? header
      : { _tag: "ParsedHeader", header, rest: chunk.subarray(header.length - before) }
  }
}

const empty = new Uint8Array(0)

const concat = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  if (a.length === 0) return b
  const bytes = new Uint8Array(a.length + b.length)
  bytes.set(a)
  bytes.set(b, a.length)
  return bytes
}

// 2.2: "\x0D \x0A \x0D \x0A \x00 \x0D \x0A \x51 \x55 \x49 \x54 \x0A"
const signature = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a)
const linePrefix = Uint8Array.from("PROXY ", (character) => character.charCodeAt(0))
// 2.1: "So a 108-byte buffer is always enough to store all the line and a trailing zero"
const maxLine = 107

type Parsed = ProxyHeader | ProxyProtocolError | undefined

const fail = (rule: ProxyProtocolError["rule"], detail: string): ProxyProtocolError =>
  new ProxyProtocolError({ rule, detail })

const parse = (bytes: Uint8Array, maxBytes: number): Parsed => {
  if (begins(bytes, signature)) return parseBinary(bytes, maxBytes)
  if (begins(bytes, linePrefix)) return parseLine(bytes)
  const found = Array.from(bytes.subarray(0, 12), (byte) => byte.toString(16).padStart(2, "0")).join(" ")
  return fail("MissingHeader", `expected "PROXY " or the signature of version 2, found bytes ${found}`)
}

/** Tests whether the bytes so far match a prefix. */
const begins = (bytes: Uint8Array, prefix: Uint8Array): boolean => {
  const length = Math.min(bytes.length, prefix.length)
  for (let at = 0; at < length; at++) if (bytes[at] !== prefix[at]) return false
  return true
}

// -- version 1 -------------------------------------------------------------------------------------------------------

const parseLine = (bytes: Uint8Array): Parsed => {
  const length = Math.min(bytes.length, maxLine)
  let end = 0
  while (end < length && bytes[end] !== 0x0d && bytes[end] !== 0x0a) end++
  if (end === length) {
    return length < maxLine ? undefined : fail("MalformedLine", `expected CRLF within ${maxLine} bytes`)
  }
  // 2.1: "The receiver must not tolerate a single CR or LF character to end the line"
  if (bytes[end] === 0x0a) return fail("MalformedLine", "found LF without CR")
  if (end + 1 === maxLine) return fail("MalformedLine", `expected CRLF within ${maxLine} bytes`)
  if (end + 1 === bytes.length) return undefined
  if (bytes[end + 1] !== 0x0a) return fail("MalformedLine", "found CR without LF")
  const endpoints = parseWords(String.fromCharCode(...bytes.subarray(0, end)).split(" "))
  return endpoints instanceof ProxyProtocolError
    ? endpoints
    : { version: 1, endpoints: endpoints ?? undefined, length: end + 2 }
}

const parseWords = ([, protocol, ...words]: ReadonlyArray<string>): Endpoints | null | ProxyProtocolError => {
  // 2.1: for UNKNOWN "the receiver must ignore anything presented before the CRLF is found"
  if (protocol === "UNKNOWN") return null
  if (protocol !== "TCP4" && protocol !== "TCP6") {
    return fail("MalformedLine", `expected TCP4, TCP6 or UNKNOWN, found ${JSON.stringify(protocol)}`)
  }
  if (words.length !== 4) {
    return fail("MalformedLine", `expected two addresses and two ports after ${protocol}, found ${words.length} words`)
  }
  const parseIp = protocol === "TCP4" ? NetAddress.ipv4FromString : NetAddress.ipv6FromString
  const ends: Array<NetAddress.SocketAddress> = []
  for (const at of [0, 1]) {
    const ip: Result.Result<NetAddress.IpAddress, unknown> = parseIp(words[at]!)
    if (Result.isFailure(ip)) {
      return fail("InvalidAddress", `expected a ${protocol} address, found ${JSON.stringify(words[at])}`)
    }
    const port = words[at + 2]!
    if (!/^(?:0|[1-9][0-9]{0,4})$/.test(port) || Number(port) > 65535) {
      return fail("InvalidPort", `expected a port, found ${JSON.stringify(port)}`)
    }
    ends.push(inetAddress(ip.success, Number(port)))
  }
  return { source: ends[0]!, destination: ends[1]! }
}

// -- version 2 -------------------------------------------------------------------------------------------------------

const fixedLength = 16
/** Length of both addresses with their ports, by family. */
const addressLengths = [0, 12, 36, 216] as const
const pathLength = 108

const parseBinary = (bytes: Uint8Array, maxBytes: number): Parsed => {
  if (bytes.length > 12) {
    // 2.2: the version "must always be sent as \x2 and the receiver must only accept this value"
    if (bytes[12]! >> 4 !== 2) return fail("UnsupportedVersion", `expected version 2, found ${bytes[12]! >> 4}`)
    // 2.2: "Receivers must drop connections presenting unexpected values here"
    if ((bytes[12]! & 15) > 1) return fail("UnknownCommand", `expected LOCAL or PROXY, found ${bytes[12]! & 15}`)
  }
  if (bytes.length < fixedLength) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const addresses = view.getUint16(14)
  const length = fixedLength + addresses
  if (length > maxBytes) return fail("HeaderTooLong", `expected at most ${maxBytes} bytes, found ${length} announced`)
  // 2.2: LOCAL: the receiver must "discard the protocol block including the family which is ignored"
  const isLocal = (bytes[12]! & 15) === 0
  const family = bytes[13]! >> 4
  const protocol = bytes[13]! & 15
  if (!isLocal) {
    // 2.2: other values "must be rejected as invalid by receivers"
    if (family > 3 || protocol > 2) {
      return fail("UnknownFamily", `expected a known family and protocol, found 0x${bytes[13]!.toString(16)}`)
    }
    if (protocol !== 0 && addresses < addressLengths[family]!) {
      return fail(
        "HeaderTooShort",
        `expected at least ${addressLengths[family]} bytes of addresses, found ${addresses}`
      )
    }
  }
  // 2.2: "The receiver must not start to parse an address before the whole address block is received"
  if (bytes.length < length) return undefined
  const endpoints = isLocal || protocol === 0 ? undefined : endpointsOf(family, bytes.subarray(fixedLength, length))
  return { version: 2, endpoints, length }
}

const endpointsOf = (family: number, block: Uint8Array): Endpoints | undefined => {
  switch (family) {
    case 1:
      return inetEndpoints(block, 4, NetAddress.ipv4FromBytesUnsafe)
    case 2:
      return inetEndpoints(block, 16, NetAddress.ipv6FromBytesUnsafe)
    case 3:
      return {
        source: unixAddress(block.subarray(0, pathLength)),
        destination: unixAddress(block.subarray(pathLength, 2 * pathLength))
      }
    default:
      return undefined
  }
}

const inetEndpoints = (
  block: Uint8Array,
  width: number,
  toAddress: (bytes: Uint8Array) => NetAddress.IpAddress
): Endpoints => {
  const portAt = (at: number): number => (block[at]! << 8) | block[at + 1]!
  return {
    source: inetAddress(toAddress(block.subarray(0, width)), portAt(2 * width)),
    destination: inetAddress(toAddress(block.subarray(width, 2 * width)), portAt(2 * width + 2))
  }
}

const inetAddress = (address: NetAddress.IpAddress, port: number): NetAddress.SocketAddress =>
  NetAddress.toCanonical(NetAddress.inetAddressUnsafe(address, port))

const paths = new TextDecoder()

// The name of an abstract socket starts with NUL; any other name ends at the first NUL.
const unixAddress = (bytes: Uint8Array): NetAddress.SocketAddress => {
  const end = bytes.indexOf(0, 1)
  const path = paths.decode(end === -1 ? bytes : bytes.subarray(0, end))
  return NetAddress.unixPathAddress(path === "\0" ? "" : path)
}
