import { assert, describe, it } from "@effect/vitest"
import { NetAddress } from "effect/net"
import * as TrustedProxies from "../src/TrustedProxies.ts"

const address = (text: string): NetAddress.InetAddress => NetAddress.inetAddressFromIpStringUnsafe(text, 1)

describe("TrustedProxies", () => {
  it("finds addresses and ranges of both families", () => {
    const proxies = TrustedProxies.make(["192.0.2.1", "10.0.0.0/8", "2001:db8::1", "fd00::/8", "::ffff:198.51.100.1"])
    for (const [text, trusted] of [
      ["192.0.2.1", true],
      ["::ffff:192.0.2.1", true],
      ["192.0.2.2", false],
      ["10.255.0.1", true],
      ["11.0.0.1", false],
      ["2001:db8::1", true],
      ["2001:db8::2", false],
      ["fd12:3456::1", true],
      ["fe00::1", false],
      ["198.51.100.1", true],
      ["::a00:1", false]
    ] as const) {
      assert.strictEqual(TrustedProxies.hasAddress(proxies, address(text)), trusted, text)
    }
    assert.isFalse(TrustedProxies.hasAddress(proxies, undefined))
  })

  it("trusts all addresses of a family by a prefix of no bits, and none by an empty list", () => {
    assert.isTrue(TrustedProxies.hasAddress(TrustedProxies.make(["0.0.0.0/0"]), address("192.0.2.1")))
    assert.isFalse(TrustedProxies.hasAddress(TrustedProxies.make(["0.0.0.0/0"]), address("2001:db8::1")))
    assert.isFalse(TrustedProxies.hasAddress(TrustedProxies.make([]), address("127.0.0.1")))
  })

  it("trusts peers over Unix sockets where it says so", () => {
    const peer = { remoteAddress: undefined, localAddress: NetAddress.unixPathAddress("/tmp/a.sock") }
    assert.isTrue(TrustedProxies.hasPeer(TrustedProxies.make(["unix"]), peer))
    assert.isFalse(TrustedProxies.hasPeer(TrustedProxies.make(["127.0.0.1"]), peer))
    assert.isFalse(
      TrustedProxies.hasPeer(TrustedProxies.make(["unix"]), { remoteAddress: undefined, localAddress: undefined })
    )
  })

  it("names the entry that is none", () => {
    for (const entry of ["", "localhost", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "300.0.0.1", "::1%lo", "Unix"]) {
      assert.throws(
        () => TrustedProxies.make(["127.0.0.1", entry]),
        TypeError,
        `trustedProxies[1]: expected an IP address, a range such as "10.0.0.0/8" or "unix", found ${JSON.stringify(entry)}`
      )
    }
    assert.throws(() => TrustedProxies.make([5 as never]), TypeError, "found 5")
  })
})
