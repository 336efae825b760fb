import { assert, describe, it } from "@effect/vitest"
import { fromNode, systemError } from "../src/internal/errors.ts"

/** A reset as Node reports it. */
const reset = () => Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET", errno: -104, syscall: "read" })

describe("errors of Node's sockets", () => {
  it("makes one error for all resets by the peer", () => {
    const error = fromNode(reset())
    assert.strictEqual(fromNode(reset()), error)
    assert.deepStrictEqual(
      [error.reason._tag, error.message, String("cause" in error.reason && error.reason.cause)],
      ["SocketReadError", "read failed: read ECONNRESET", "Error: read ECONNRESET"]
    )
  })

  it("makes an error of its own for every other failure", () => {
    const other = [
      systemError("ECONNRESET", "read", "during the TLS handshake"),
      systemError("ECONNRESET", "write", "the peer is gone"),
      systemError("ETIMEDOUT", "read", "no answer"),
      new Error("read ECONNRESET")
    ]
    const tags = other.map((cause) => {
      const error = fromNode(cause)
      assert.notStrictEqual(error, fromNode(cause))
      assert.strictEqual("cause" in error.reason && error.reason.cause, cause)
      return error.reason._tag
    })
    assert.deepStrictEqual(tags, ["SocketReadError", "SocketWriteError", "SocketReadError", "SocketReadError"])
  })
})
