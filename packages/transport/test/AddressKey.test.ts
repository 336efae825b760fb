import { assert, describe, it } from "@effect/vitest"
import { NetAddress } from "effect/net"
import { addressKey } from "../src/AddressKey.ts"

const keyOf = (host: string, port = 1): string | undefined =>
  addressKey(NetAddress.inetAddressFromNativeUnsafe(host, port))

describe("addressKey", () => {
  it("counts an IPv4 address as one peer, whatever the port", () => {
    assert.strictEqual(keyOf("192.0.2.1", 1), "192.0.2.1")
    assert.strictEqual(keyOf("192.0.2.1", 2), "192.0.2.1")
    assert.notStrictEqual(keyOf("192.0.2.2"), keyOf("192.0.2.1"))
  })

  it("counts an IPv4-mapped IPv6 address as the IPv4 address", () => {
    assert.strictEqual(keyOf("::ffff:192.0.2.1"), "192.0.2.1")
  })

  it("counts a /64 of IPv6 as one peer", () => {
    assert.strictEqual(keyOf("2001:db8:1:2::1"), "2001:db8:1:2::/64")
    assert.strictEqual(keyOf("2001:db8:1:2:ffff:ffff:ffff:ffff"), keyOf("2001:db8:1:2::1"))
    assert.notStrictEqual(keyOf("2001:db8:1:3::1"), keyOf("2001:db8:1:2::1"))
  })

  it("gives no key to a peer without an address", () => {
    assert.isUndefined(addressKey(undefined))
    assert.isUndefined(addressKey(NetAddress.unixPathAddress("/run/socket")))
  })
})
