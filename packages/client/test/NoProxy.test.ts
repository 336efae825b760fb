import { assert, describe, it } from "@effect/vitest"
import * as NoProxy from "../src/NoProxy.ts"

const matches = (list: string, host: string, port = 80): boolean => NoProxy.matches(NoProxy.parse(list), { host, port })

describe("NoProxy", () => {
  const cases: ReadonlyArray<readonly [list: string, host: string, port: number, expected: boolean]> = [
    ["", "example.com", 80, false],
    ["*", "example.com", 80, true],
    ["a,*", "::1", 80, true],
    ["example.com", "example.com", 80, true],
    ["example.com", "EXAMPLE.com.", 80, true],
    ["example.com.", "www.example.com", 80, true],
    ["example.com", "notexample.com", 80, false],
    ["example.com", "example.com.evil", 80, false],
    [".example.com", "www.example.com", 80, true],
    [".example.com", "example.com", 80, true],
    ["*.example.com", "a.b.example.com", 80, true],
    ["a b,\tc , example.com", "example.com", 80, true],
    ["example.com:443", "example.com", 443, true],
    ["example.com:443", "example.com", 80, false],
    ["example.com:x", "example.com", 80, false],
    ["127.0.0.1", "127.0.0.1", 80, true],
    ["127.0.0.1", "127.0.0.2", 80, false],
    ["0.0.1", "127.0.0.1", 80, false],
    ["127.0.0.1:8080", "127.0.0.1", 8080, true],
    ["127.0.0.1:8080", "127.0.0.1", 80, false],
    ["10.0.0.0/8", "10.200.0.1", 80, true],
    ["10.0.0.0/8", "11.0.0.1", 80, false],
    ["10.0.0.0/8", "10.example.com", 80, false],
    ["10.0.0.0/33", "10.0.0.0", 80, false],
    ["10.0.0.0/", "10.0.0.0", 80, false],
    ["::1", "::1", 80, true],
    ["::1", "[::1]", 80, true],
    ["[::1]:8080", "0:0:0:0:0:0:0:1", 8080, true],
    ["[::1]:8080", "::1", 80, false],
    ["2001:db8::/32", "2001:db8:1::1", 80, true],
    ["2001:db8::/32", "2001:db9::1", 80, false],
    ["localhost", "127.0.0.1", 80, false],
    [",,:80,.", "example.com", 80, false]
  ]
  for (const [list, host, port, expected] of cases) {
    it(`"${list}" ${expected ? "names" : "does not name"} ${host}:${port}`, () => {
      assert.strictEqual(matches(list, host, port), expected)
    })
  }

  it("takes a time in proportion to the list", () => {
    const time = (list: string): number => {
      const started = performance.now()
      matches(list, "example.com")
      return performance.now() - started
    }
    for (const part of [":", "[", "a:", "1:", "/", "*.", " "]) {
      time(part.repeat(1000))
      assert.isBelow(time(part.repeat(100_000)), 1000, part)
    }
  })
})
