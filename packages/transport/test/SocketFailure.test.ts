import { assert, describe, it } from "@effect/vitest"
import * as SocketFailure from "../src/SocketFailure.ts"

const ofOpenSsl = (reason: string): Error => Object.assign(new Error("dump"), { library: "SSL routines", reason })

describe("SocketFailure", () => {
  it.each([
    ["tlsv13 alert certificate required", "certificate required"],
    ["tlsv1 alert unknown ca", "unknown ca"],
    ["sslv3 alert handshake failure", "handshake failure"],
    ["ssl/tls alert handshake failure", "handshake failure"]
  ])("finds the alert in %j", (reason, alert) => {
    assert.strictEqual(SocketFailure.tlsAlert(ofOpenSsl(reason)), alert)
    assert.strictEqual(SocketFailure.describe(ofOpenSsl(reason)), `the peer sent the TLS alert "${alert}"`)
  })

  it.each([
    ["wrong version number", "the peer does not speak TLS"],
    ["bad record mac", "TLS failed: bad record mac"]
  ])("describes %j, which is no alert", (reason, text) => {
    assert.isUndefined(SocketFailure.tlsAlert(ofOpenSsl(reason)))
    assert.strictEqual(SocketFailure.describe(ofOpenSsl(reason)), text)
  })
})
