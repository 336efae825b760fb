import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { NetAddress } from "effect/net"
import * as ProxyProtocol from "../src/ProxyProtocol.ts"

const signature = "0d0a0d0a000d0a515549540a"
const latin1 = (text: string): Buffer => Buffer.from(text, "latin1")
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex")
const path = (text: string): string => Buffer.alloc(108).fill(text, 0, text.length, "latin1").toString("hex")

const format = (address: NetAddress.SocketAddress): string => NetAddress.formatSocketAddress(address)

const describeHeader = ({ endpoints, length, version }: ProxyProtocol.ProxyHeader) => ({
  version,
  length,
  ends: endpoints && [format(endpoints.source), format(endpoints.destination)]
})

/** Reads a stream in pieces; gives the header and what followed, the rule that was broken, or nothing. */
const read = (pieces: ReadonlyArray<Uint8Array>, options?: ProxyProtocol.ProxyProtocolOptions) => {
  const parser = new ProxyProtocol.ProxyHeaderParser(options)
  for (const [at, piece] of pieces.entries()) {
    const parsed = parser.push(piece)
    if (parsed === undefined) continue
    if (parsed._tag === "ProxyProtocolError") return parsed.rule
    const rest = Buffer.concat([parsed.rest, ...pieces.slice(at + 1)])
    return { ...describeHeader(parsed.header), rest: rest.toString("latin1") }
  }
  return undefined
}

const valid: ReadonlyArray<
  readonly [name: string, bytes: Buffer, ends: [source: string, destination: string] | undefined]
> = [
  // doc/proxy-protocol.txt 2.1
  [
    "the example of the specification",
    latin1("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"),
    ["192.168.0.1:56324", "192.168.0.11:443"]
  ],
  [
    "the longest of IPv4",
    latin1("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
    ["255.255.255.255:65535", "255.255.255.255:65535"]
  ],
  ["IPv6", latin1("PROXY TCP6 2001:db8::1 ::1 1 0\r\n"), ["[2001:db8::1]:1", "[::1]:0"]],
  [
    "IPv6 with IPv4 inside",
    latin1("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n"),
    ["192.0.2.1:1", "192.0.2.2:2"]
  ],
  ["UNKNOWN", latin1("PROXY UNKNOWN\r\n"), undefined],
  [
    "the longest there is",
    latin1("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535".padEnd(105, "f") + "\r\n"),
    undefined
  ],
  ["TCP over IPv4", hex(`${signature} 21 11 000c c0000201 c6336402 1234 01bb`), ["192.0.2.1:4660", "198.51.100.2:443"]],
  [
    "TCP over IPv6",
    hex(`${signature} 21 21 0024 ${"20010db8".padEnd(31, "0")}1 ${"20010db8".padEnd(31, "0")}2 0001 ffff`),
    ["[2001:db8::1]:1", "[2001:db8::2]:65535"]
  ],
  ["UDP over IPv4", hex(`${signature} 21 12 000c c0000201 c6336402 1234 01bb`), ["192.0.2.1:4660", "198.51.100.2:443"]],
  [
    "Unix sockets",
    hex(`${signature} 21 31 00d8 ${path("/run/a.sock")} ${path("/run/b.sock")}`),
    ["/run/a.sock", "/run/b.sock"]
  ],
  [
    "Unix sockets without a name, and abstract ones",
    hex(`${signature} 21 31 00d8 ${path("")} ${path("\0name")}`),
    ["", "\0name"]
  ],
  [
    "a path without an end",
    hex(`${signature} 21 31 00d8 ${path("x".repeat(108))} ${path("y")}`),
    [`${"x".repeat(108)}`, "y"]
  ],
  [
    "addresses and skipped TLVs",
    hex(`${signature} 21 11 0017 c0000201 c6336402 1234 01bb 04 0001 00 e0 0004 00000000`),
    ["192.0.2.1:4660", "198.51.100.2:443"]
  ],
  [
    "TLVs that make no sense",
    hex(`${signature} 21 11 000f c0000201 c6336402 1234 01bb 04 ffff`),
    ["192.0.2.1:4660", "198.51.100.2:443"]
  ],
  ["LOCAL", hex(`${signature} 20 00 0000`), undefined],
  ["LOCAL with addresses, which do not count", hex(`${signature} 20 11 000c c0000201 c6336402 1234 01bb`), undefined],
  ["LOCAL of a family that does not exist", hex(`${signature} 20 ff 0001 00`), undefined],
  ["UNSPEC", hex(`${signature} 21 00 0000`), undefined],
  ["UNSPEC with bytes to skip", hex(`${signature} 21 00 0003 010203`), undefined],
  ["an unspecified protocol over IPv4", hex(`${signature} 21 10 0000`), undefined],
  ["a stream of an unspecified family", hex(`${signature} 21 01 0000`), undefined]
]

const invalid: ReadonlyArray<readonly [name: string, bytes: Buffer, rule: ProxyProtocol.ProxyProtocolError["rule"]]> = [
  ["HTTP", latin1("GET / HTTP/1.1\r\n"), "MissingHeader"],
  ["one wrong byte", latin1("Q"), "MissingHeader"],
  ["a TLS ClientHello", hex("16 03 01 02 00"), "MissingHeader"],
  ["lower case", latin1("proxy "), "MissingHeader"],
  ["a tab", latin1("PROXY\t"), "MissingHeader"],
  ["a signature with one wrong byte", hex("0d0a0d0a000d0a515549540b"), "MissingHeader"],
  ["a line of 108 bytes", latin1(`PROXY UNKNOWN ${"f".repeat(92)}\r\n`), "MalformedLine"],
  ["a line without an end", latin1(`PROXY UNKNOWN ${"f".repeat(93)}`), "MalformedLine"],
  ["LF alone", latin1("PROXY UNKNOWN\n"), "MalformedLine"],
  ["CR alone", latin1("PROXY UNKNOWN\rx"), "MalformedLine"],
  ["another protocol", latin1("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"), "MalformedLine"],
  ["UNKNOWN and more letters", latin1("PROXY UNKNOWNS\r\n"), "MalformedLine"],
  ["no protocol", latin1("PROXY \r\n"), "MalformedLine"],
  ["two spaces", latin1("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n"), "MalformedLine"],
  ["a trailing space", latin1("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n"), "MalformedLine"],
  ["one word too few", latin1("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"), "MalformedLine"],
  ["IPv6 as IPv4", latin1("PROXY TCP4 ::1 ::1 1 2\r\n"), "InvalidAddress"],
  ["IPv4 as IPv6", latin1("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"), "InvalidAddress"],
  ["leading zeros", latin1("PROXY TCP4 192.000.2.1 192.0.2.2 1 2\r\n"), "InvalidAddress"],
  ["an octet of 256", latin1("PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n"), "InvalidAddress"],
  ["a port of 65536", latin1("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n"), "InvalidPort"],
  ["a port with a zero before it", latin1("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"), "InvalidPort"],
  ["a negative port", latin1("PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n"), "InvalidPort"],
  ["version 1 in the binary form", hex(`${signature} 11`), "UnsupportedVersion"],
  ["version 3", hex(`${signature} 31`), "UnsupportedVersion"],
  ["an unknown command", hex(`${signature} 22`), "UnknownCommand"],
  ["an unknown family", hex(`${signature} 21 41 000c`), "UnknownFamily"],
  ["an unknown protocol", hex(`${signature} 21 13 000c`), "UnknownFamily"],
  ["too few bytes for IPv4", hex(`${signature} 21 11 000b`), "HeaderTooShort"],
  ["too few bytes for IPv6", hex(`${signature} 21 21 0023`), "HeaderTooShort"],
  ["too few bytes for Unix sockets", hex(`${signature} 21 31 00d7`), "HeaderTooShort"],
  ["4097 bytes announced", hex(`${signature} 21 11 0ff1`), "HeaderTooLong"],
  ["65 551 bytes announced by LOCAL", hex(`${signature} 20 00 ffff`), "HeaderTooLong"]
]

describe("a header of the PROXY protocol", () => {
  for (const [name, bytes, ends] of valid) {
    it(`is read: ${name}`, () => {
      const version: 1 | 2 = bytes[0] === 0x50 ? 1 : 2
      const expected = { version, length: bytes.length, ends }
      assert.deepStrictEqual(read([bytes]), { ...expected, rest: "" })
      assert.deepStrictEqual(read([Buffer.concat([bytes, latin1("GET /")])]), { ...expected, rest: "GET /" })
      // It is not complete before its last byte.
      assert.isUndefined(read([bytes.subarray(0, -1)]))
    })
  }

  for (const [name, bytes, rule] of invalid) {
    it(`is refused with ${rule}: ${name}`, () => {
      assert.strictEqual(read([bytes]), rule)
    })
  }

  it("is refused as soon as it cannot be one", () => {
    assert.strictEqual(read([latin1("PROXX")]), "MissingHeader")
    assert.isUndefined(read([latin1("PROXY")]))
    assert.isUndefined(read([]))
  })

  it("may be as long as the option says", () => {
    const header = (length: number): Buffer =>
      Buffer.concat([hex(`${signature} 20 00 00`), Uint8Array.of(length - 16), Buffer.alloc(length - 16)])
    assert.strictEqual(read([header(108)], { maxHeaderBytes: 107 }), "HeaderTooLong")
    assert.isObject(read([header(107)], { maxHeaderBytes: 107 }))
    for (const maxHeaderBytes of [106, 0, -1, NaN, 200.5]) {
      assert.throws(
        () => read([], { maxHeaderBytes }),
        RangeError,
        "maxHeaderBytes: expected an integer of at least 107"
      )
    }
    const long = Buffer.concat([hex(`${signature} 20 00 ffff`), Buffer.alloc(0xffff), latin1("x")])
    assert.deepStrictEqual(read([long], { maxHeaderBytes: 16 + 0xffff }), {
      version: 2,
      length: 16 + 0xffff,
      ends: undefined,
      rest: "x"
    })
  })

  const streams = [...valid, ...invalid].map(([, bytes]) => Buffer.concat([bytes, latin1("GET / HTTP/1.1\r\n\r\n")]))

  it("is the same byte by byte", () => {
    for (const stream of streams) {
      assert.deepStrictEqual(read([...stream].map((byte) => Uint8Array.of(byte))), read([stream]))
    }
  })

  it.prop(
    "is the same however it is split",
    {
      stream: Arbitrary.schema(Schema.Literals(streams.map((_, at) => at))),
      cuts: Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 260 }))), {
        maxLength: 8
      })
    },
    ({ cuts, stream }) => {
      const bytes = streams[stream]!
      const edges = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
      const pieces = edges.slice(1).map((end, at) => bytes.subarray(edges[at]!, end))
      assert.deepStrictEqual(read(pieces), read([bytes]))
    },
    { arbitrary: { runs: 1000 } }
  )

  it.prop(
    "never throws, whatever follows its beginning",
    {
      at: Arbitrary.schema(Schema.Literals(["PROXY ", "PROXY TCP4 ", "sig"])),
      tail: Arbitrary.schema(Schema.Uint8Array)
    },
    ({ at, tail }) => {
      const head = at === "sig" ? hex(signature) : latin1(at)
      const result = read([Buffer.concat([head, tail])])
      assert.isTrue(result === undefined || typeof result === "string" || result.length <= 4096)
    },
    { arbitrary: { runs: 1000 } }
  )
})
