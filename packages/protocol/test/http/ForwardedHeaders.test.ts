import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { NetAddress } from "effect/net"
import * as ForwardedHeaders from "../../src/http/ForwardedHeaders.ts"
import type { HeaderFields } from "../../src/http/HeaderFields.ts"

/** Proxies are those of 10.0.0.0/8, and 2001:db8::10. */
const isTrusted = (address: NetAddress.InetAddress): boolean => {
  const ip = NetAddress.formatIp(address.address)
  return ip.startsWith("10.") || ip === "2001:db8::10"
}

const read = (format: ForwardedHeaders.Format, headers: HeaderFields) => {
  const { address, host, secure } = ForwardedHeaders.read(headers, format, isTrusted)
  return [address === undefined ? undefined : NetAddress.formatInet(address), secure, host]
}

const headersOf = (...entries: ReadonlyArray<readonly [name: string, value: string]>): HeaderFields =>
  entries.map(([name, value]) => ({ name, value }))

describe("X-Forwarded-For", () => {
  for (const [value, expected] of [
    ["192.0.2.1", "192.0.2.1:0"],
    [" 192.0.2.1 ", "192.0.2.1:0"],
    ["192.0.2.1:4711", "192.0.2.1:4711"],
    ["2001:db8::1", "[2001:db8::1]:0"],
    ["[2001:db8::1]", "[2001:db8::1]:0"],
    ["[2001:DB8:0::1]:443", "[2001:db8::1]:443"],
    ["::ffff:192.0.2.1", "192.0.2.1:0"],
    // What the client wrote is to the left.
    ["198.51.100.7, 192.0.2.1", "192.0.2.1:0"],
    ["198.51.100.7, 192.0.2.1, 10.0.0.2", "192.0.2.1:0"],
    ["198.51.100.7,192.0.2.1,10.0.0.2,2001:db8::10", "192.0.2.1:0"],
    ["10.0.0.9, 192.0.2.1, 10.0.0.2", "192.0.2.1:0"],
    // All are trusted: the first proxy is the client.
    ["10.0.0.9, 10.0.0.2", "10.0.0.9:0"],
    // Nothing is believed that is left of what makes no sense.
    ["192.0.2.1, unknown", undefined],
    ["192.0.2.1, unknown, 10.0.0.2", "10.0.0.2:0"],
    ["192.0.2.1, , 10.0.0.2", "10.0.0.2:0"],
    ["192.0.2.1,", undefined],
    ["", undefined],
    ["unknown", undefined],
    ["_hidden", undefined],
    ["192.0.2.256", undefined],
    ["192.0.2.01", undefined],
    ["192.0.2.1:65536", undefined],
    ["[192.0.2.1]", undefined],
    ["fe80::1%eth0", undefined],
    ["[2001:db8::1", undefined],
    ["localhost", undefined],
    ["192.0.2.1 10.0.0.2", undefined]
  ] as const) {
    it(`finds ${expected ?? "no address"} in ${JSON.stringify(value)}`, () => {
      assert.deepStrictEqual(read("X-Forwarded", headersOf(["X-Forwarded-For", value])), [
        expected,
        undefined,
        undefined
      ])
    })
  }

  it("is one list over several lines", () => {
    const headers = headersOf(
      ["X-Forwarded-For", "198.51.100.7"],
      ["x-forwarded-for", "192.0.2.1"],
      ["X-Forwarded-For", "10.0.0.2"]
    )
    assert.deepStrictEqual(read("X-Forwarded", headers), ["192.0.2.1:0", undefined, undefined])
  })

  it("is read in time that grows no faster than its length", () => {
    for (const value of [",".repeat(1 << 20), "10.0.0.1,".repeat(1 << 16), ":".repeat(1 << 20), "[".repeat(1 << 20)]) {
      read("X-Forwarded", headersOf(["X-Forwarded-For", value]))
    }
  })
})

describe("X-Forwarded-Proto and X-Forwarded-Host", () => {
  for (const [name, headers, expected] of [
    [
      "of one proxy",
      [
        ["X-Forwarded-For", "192.0.2.1"],
        ["X-Forwarded-Proto", "https"],
        ["X-Forwarded-Host", "example.com:8443"]
      ],
      ["192.0.2.1:0", true, "example.com:8443"]
    ],
    [
      "without an address",
      [
        ["X-Forwarded-Proto", "http"],
        ["X-Forwarded-Host", "example.com"]
      ],
      [undefined, false, "example.com"]
    ],
    [
      "in the place of the address, where each proxy appended one",
      [
        ["X-Forwarded-For", "198.51.100.7, 192.0.2.1, 10.0.0.2"],
        ["X-Forwarded-Proto", "http, https, http"],
        ["X-Forwarded-Host", "evil.example, example.com, inner"]
      ],
      ["192.0.2.1:0", true, "example.com"]
    ],
    [
      "in the last place otherwise",
      [
        ["X-Forwarded-For", "198.51.100.7, 192.0.2.1, 10.0.0.2"],
        ["X-Forwarded-Proto", "http, wss"],
        ["X-Forwarded-Host", "example.com"]
      ],
      ["192.0.2.1:0", true, "example.com"]
    ],
    [
      "that are malformed",
      [
        ["X-Forwarded-For", "192.0.2.1"],
        ["X-Forwarded-Proto", "gopher"],
        ["X-Forwarded-Host", "a b"]
      ],
      ["192.0.2.1:0", undefined, undefined]
    ]
  ] as const) {
    it(`are read ${name}`, () => {
      assert.deepStrictEqual(read("X-Forwarded", headersOf(...headers)), [...expected])
    })
  }
})

describe("Forwarded", () => {
  for (const [value, expected] of [
    // RFC 7239 4 and 6
    ['for="_gazonk"', [undefined, undefined, undefined]],
    ['For="[2001:db8:cafe::17]:4711"', ["[2001:db8:cafe::17]:4711", undefined, undefined]],
    ["for=192.0.2.60;proto=http;by=203.0.113.43", ["192.0.2.60:0", false, undefined]],
    ["for=192.0.2.43, for=198.51.100.17", ["198.51.100.17:0", undefined, undefined]],
    ['for=192.0.2.43;host="example.com:8443";proto=https', ["192.0.2.43:0", true, "example.com:8443"]],
    ['for="192.0.2.43:_port"', ["192.0.2.43:0", undefined, undefined]],
    // without the quotes that should be there
    ["for=192.0.2.43:80;host=example.com:8443", ["192.0.2.43:80", undefined, "example.com:8443"]],
    // each proxy says how it was reached
    [
      "for=198.51.100.7;host=evil.example, for=192.0.2.1;proto=https;host=example.com, for=10.0.0.2;proto=http",
      ["192.0.2.1:0", true, "example.com"]
    ],
    ["for=192.0.2.1, for=unknown;proto=https, for=10.0.0.2", ["10.0.0.2:0", true, undefined]],
    ["proto=https;host=example.com", [undefined, true, "example.com"]],
    // what the client left open does not reach what the proxy appended
    ['for="x, for=192.0.2.1', ["192.0.2.1:0", undefined, undefined]],
    ['for="x\\", for="192.0.2.1";host="example.com"', ["192.0.2.1:0", undefined, "example.com"]],
    ['for=198.51.100.7, for=192.0.2.1;x="a, \\"b\\", c"', ["192.0.2.1:0", undefined, undefined]],
    // malformed
    ['for="192.0.2.1', [undefined, undefined, undefined]],
    ["for=192.0.2.1;for=192.0.2.2", [undefined, undefined, undefined]],
    ["for = 192.0.2.1", [undefined, undefined, undefined]],
    ["192.0.2.1", [undefined, undefined, undefined]],
    ['"', [undefined, undefined, undefined]],
    ["", [undefined, undefined, undefined]],
    ["for=192.0.2.1, nonsense, for=10.0.0.2;proto=https", ["10.0.0.2:0", true, undefined]]
  ] as const) {
    it(`says ${JSON.stringify(expected)} in ${JSON.stringify(value)}`, () => {
      assert.deepStrictEqual(read("Forwarded", headersOf(["Forwarded", value])), [...expected])
    })
  }

  it("is one list over several lines, and X-Forwarded-For is not read", () => {
    const headers = headersOf(
      ["Forwarded", 'for="198.51.100.7'],
      ["Forwarded", "for=192.0.2.1"],
      ["Forwarded", "for=10.0.0.2"],
      ["X-Forwarded-For", "203.0.113.1"]
    )
    assert.deepStrictEqual(read("Forwarded", headers), ["192.0.2.1:0", undefined, undefined])
  })

  it("is read in time that grows no faster than its length", () => {
    for (const filler of ['"', ",", ";", "\\", '\\"', "for=10.0.0.1,", 'for="10.0.0.1",', " ", "a="]) {
      read("Forwarded", headersOf(["Forwarded", filler.repeat(1 << 17)]))
      read("Forwarded", headersOf(["Forwarded", `for="${filler.repeat(1 << 17)}"`]))
    }
  })
})

const anything = Arbitrary.map(
  Arbitrary.array(
    Arbitrary.schema(Schema.Literals(['"', ",", ";", "\\", "=", " ", "for=", "10.0.0.1", "x", "[", ":"])),
    {
      maxLength: 20
    }
  ),
  (pieces) => pieces.join("")
)

describe("what a client writes", () => {
  it.prop("never changes what the proxies say that it came through", { prefix: anything }, ({ prefix }) => {
    const appended = (name: string, value: string) => [
      headersOf([name, prefix === "" ? value : `${prefix}, ${value}`]),
      headersOf([name, prefix], [name, value])
    ]
    for (const headers of appended("X-Forwarded-For", "192.0.2.1, 10.0.0.2")) {
      assert.strictEqual(read("X-Forwarded", headers)[0], "192.0.2.1:0")
    }
    for (const headers of appended("Forwarded", 'for=192.0.2.1;host="a,b", for=10.0.0.2')) {
      assert.strictEqual(read("Forwarded", headers)[0], "192.0.2.1:0")
    }
  })
})
