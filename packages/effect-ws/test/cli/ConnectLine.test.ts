import { assert, describe, it } from "@effect/vitest"
import { assertFailure, assertSuccess } from "@effect/vitest/utils"
import * as ConnectLine from "effect-ws/cli/ConnectLine"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const bytes = (...values: ReadonlyArray<number>): Uint8Array => new Uint8Array(values)

describe("ConnectLine", () => {
  it.each<readonly [line: string, action: ConnectLine.Action]>([
    ["hello", { _tag: "Send", data: "hello" }],
    ["", { _tag: "Send", data: "" }],
    [" /ping", { _tag: "Send", data: " /ping" }],
    ["//ping", { _tag: "Send", data: "/ping" }],
    ["/hex 00 ff", { _tag: "Send", data: bytes(0, 255) }],
    ["/hex 00Ff7f", { _tag: "Send", data: bytes(0, 255, 127) }],
    ["/hex", { _tag: "Send", data: bytes() }],
    ["/ping", { _tag: "Ping", payload: undefined }],
    ["/ping are you there", { _tag: "Ping", payload: new TextEncoder().encode("are you there") }],
    ["/close", { _tag: "Close", code: 1000, reason: "" }],
    ["/close 4000", { _tag: "Close", code: 4000, reason: "" }],
    ["/close 4000 that was  it ", { _tag: "Close", code: 4000, reason: "that was  it" }],
    ["/help", { _tag: "Help" }]
  ])("%s", (line, action) => assertSuccess(ConnectLine.parse(line), action))

  it.each([
    ["/hex 0", "/hex: expected bytes of two hexadecimal digits each, such as /hex 00 ff"],
    ["/hex zz", "/hex: expected bytes of two hexadecimal digits each, such as /hex 00 ff"],
    ["/close now", "/close: expected a code of four digits and then the reason, such as /close 4000 done"],
    ["/quit", "unknown command /quit: /help lists the commands, and //quit sends the text /quit"]
  ])("refuses %s", (line, message) => assertFailure(ConnectLine.parse(line), message))

  it.prop("what /hex is shown as, it takes", [Schema.Uint8Array], ([data]) => {
    const action = Result.getOrThrow(ConnectLine.parse(ConnectLine.formatHex(data)))
    assert.deepStrictEqual(action, { _tag: "Send", data: new Uint8Array(data) })
  })
})
