/**
 * Parses a line typed to `connect`: a message, or a command that begins with a slash.
 */
import * as Result from "effect/Result"

/** The action of a line. */
export type Action =
  | { readonly _tag: "Send"; readonly data: string | Uint8Array }
  | { readonly _tag: "Ping"; readonly payload: Uint8Array | undefined }
  | { readonly _tag: "Close"; readonly code: number; readonly reason: string }
  | { readonly _tag: "Help" }

/** The commands, for people. */
export const help = [
  "a line          is sent as a text message",
  "/hex 00 ff      sends these bytes as a binary message",
  "/ping [TEXT]    sends a ping and prints its round-trip time",
  "/close [CODE [REASON]]",
  "                closes, with 1000 unless another code is given",
  "/help           lists the commands",
  "//text          sends a message that begins with a slash: /text",
  "Ctrl-D closes with 1000, Ctrl-C with 1001"
].join("\n")

/** Parses a line. Fails with an explanation for an invalid command. */
export const parse = (line: string): Result.Result<Action, string> => {
  if (!line.startsWith("/")) return Result.succeed({ _tag: "Send", data: line })
  if (line.startsWith("//")) return Result.succeed({ _tag: "Send", data: line.slice(1) })
  const [, name = "", text = ""] = /^\/(\S*)\s*([^]*?)\s*$/.exec(line)!
  switch (name) {
    case "hex":
      return Result.map(parseHex(text), (data) => ({ _tag: "Send", data }))
    case "ping":
      return Result.succeed({ _tag: "Ping", payload: text === "" ? undefined : new TextEncoder().encode(text) })
    case "close":
      return parseClose(text)
    case "help":
      return Result.succeed({ _tag: "Help" })
    default:
      return Result.fail(`unknown command /${name}: /help lists the commands, and //${name} sends the text /${name}`)
  }
}

const parseHex = (text: string): Result.Result<Uint8Array, string> => {
  const digits = text.replaceAll(/\s/g, "")
  return /^(?:[0-9a-f]{2})*$/i.test(digits)
    ? Result.succeed(new Uint8Array(Buffer.from(digits, "hex")))
    : Result.fail("/hex: expected bytes of two hexadecimal digits each, such as /hex 00 ff")
}

const parseClose = (text: string): Result.Result<Action, string> => {
  if (text === "") return Result.succeed({ _tag: "Close", code: 1000, reason: "" })
  const [, code, reason = ""] = /^(\d{4})(?:\s+([^]*))?$/.exec(text) ?? []
  return code === undefined
    ? Result.fail("/close: expected a code of four digits and then the reason, such as /close 4000 done")
    : Result.succeed({ _tag: "Close", code: Number(code), reason })
}

/** Formats bytes as `/hex` accepts them. */
export const formatHex = (bytes: Uint8Array): string =>
  bytes.length === 0
    ? "/hex"
    : `/hex ${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
        .toString("hex")
        .replaceAll(/..(?=.)/g, "$& ")}`
