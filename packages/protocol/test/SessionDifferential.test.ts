/** What we write is what `ws` reads, and the other way round; and both refuse the same. */
import type { Writable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as ws from "ws"
import * as FrameGenerators from "../src/FrameGenerators.ts"
import type { Role } from "../src/SessionState.ts"
import { describeEvents, End, makeSession, roles } from "./fixtures/ends.ts"
import { cuts, traffic } from "./fixtures/traffic.ts"
import { concat, split } from "./fixtures/wire.ts"

// Public exports of the package that its types leave out.
interface SendOptions {
  readonly binary: boolean
  readonly fin: boolean
  readonly mask: boolean
  readonly compress: false
}
interface Sender {
  send(data: Buffer, options: SendOptions): void
  ping(data: Buffer, mask: boolean): void
  pong(data: Buffer, mask: boolean): void
  close(code: number | undefined, reason: string | undefined, mask: boolean): void
}
const { Receiver, Sender } = ws as unknown as {
  readonly Receiver: new (options: { readonly isServer: boolean; readonly maxPayload: number }) => Writable
  readonly Sender: new (socket: unknown) => Sender
}

const maxPayload = 1500

// What a `ws` receiver makes of chunks, in the words of `describeEvents`.
const wsReceives = async (role: Role, chunks: ReadonlyArray<Uint8Array>): Promise<Array<string>> => {
  const receiver = new Receiver({ isServer: role === "server", maxPayload })
  const events: Array<string> = []
  receiver.on("message", (data: Buffer, isBinary: boolean) => {
    events.push(isBinary ? `binary ${data.toString("hex")}` : `text ${JSON.stringify(data.toString("utf8"))}`)
  })
  receiver.on("ping", (data: Buffer) => events.push(`ping ${data.toString("latin1")}`))
  receiver.on("pong", (data: Buffer) => events.push(`pong ${data.toString("latin1")} answers undefined`))
  receiver.on("conclude", (code: number, reason: Buffer) => {
    events.push(`peer closes ${code === 1005 ? "undefined" : code} ${JSON.stringify(reason.toString("utf8"))}`)
  })
  receiver.on("error", (error) => {
    const status = Object.getOwnPropertySymbols(error).find(({ description }) => description === "status-code")
    events.push(`fails ${String(status === undefined ? error : Reflect.get(error, status))}`)
  })
  for (const chunk of chunks) if (!receiver.destroyed && !receiver.writableEnded) receiver.write(Buffer.from(chunk))
  // A stream tells its error in a later turn.
  await new Promise((resolve) => setImmediate(resolve))
  return events
}

const weReceive = (role: Role, chunks: ReadonlyArray<Uint8Array>): Array<string> => {
  const { session } = new End(role, { limits: { maxMessageSize: maxPayload } })
  return describeEvents(chunks.flatMap((chunk) => session.receive(chunk))).map((event) =>
    event.replace(/^(fails \d+).*/, "$1")
  )
}

// `ws` checks UTF-8 when a message is complete, so it still reports pings between the fragments of a text that is not.
const comparable = (events: ReadonlyArray<string>): Array<string> =>
  events.filter((event) => !event.startsWith("ping between"))

const message = Arbitrary.all({
  message: FrameGenerators.message,
  close: FrameGenerators.closeFrame,
  kind: Arbitrary.schema(Schema.Literals(["message", "message", "message", "fragments", "ping", "pong"])),
  size: Arbitrary.schema(Schema.Literals([0, 1, 100, 125, 126, 127, 1000]))
})

const enlarged = (data: string | Uint8Array, size: number): string | Uint8Array =>
  typeof data === "string" ? data + "é".repeat(size >> 1) : concat([data, new Uint8Array(size).fill(size)])

describe.each(roles)("against ws, our session as %s", (role) => {
  const isServer = role === "server"

  it.effect.prop(
    "both make the same of what a peer sends, mistakes included",
    { frames: traffic, cuts },
    ({ cuts, frames }) =>
      Effect.promise(async () => {
        const bytes = new End(role).bytes(...frames)
        const theirs = await wsReceives(role, split(bytes, cuts))
        assert.deepStrictEqual(comparable(weReceive(role, split(bytes, cuts))), comparable(theirs))
      }),
    { timeout: 120_000, arbitrary: { runs: 1000, size: 40 } }
  )

  it.effect.prop(
    "ws reads what we write",
    { items: Arbitrary.array(message, { maxLength: 6 }), cuts },
    ({ cuts, items }) =>
      Effect.promise(async () => {
        const session = makeSession(role)
        const expected: Array<string> = []
        for (const { close, kind, message, size } of items) {
          const data = enlarged(message.data, size)
          if (kind === "ping" || kind === "pong") {
            const payload = Buffer.from(data).subarray(0, 125)
            if (kind === "ping") session.ping(payload)
            else session.pong(payload)
            expected.push(`${kind} ${payload.toString("latin1")}${kind === "pong" ? " answers undefined" : ""}`)
            continue
          }
          session.send(data, kind === "fragments" ? { fragmentSize: Math.max(1, size >> 2) } : undefined)
          expected.push(...describeEvents([{ ...message, data } as typeof message]))
          if (close.code === undefined) continue
          session.close(close.code, close.reason)
          expected.push(`peer closes ${close.code} ${JSON.stringify(close.reason)}`)
          break
        }
        const bytes = concat(session.output.take())
        assert.deepStrictEqual(await wsReceives(isServer ? "client" : "server", split(bytes, cuts)), expected)
      }),
    { timeout: 120_000, arbitrary: { runs: 500, size: 40 } }
  )

  it.prop(
    "we read what ws writes",
    { items: Arbitrary.array(message, { maxLength: 6 }), cuts },
    ({ cuts, items }) => {
      const written: Array<Uint8Array> = []
      const sender = new Sender({
        cork: () => undefined,
        uncork: () => undefined,
        write: (chunk: Uint8Array) => written.push(Uint8Array.from(chunk))
      })
      const mask = isServer
      const expected: Array<string> = []
      for (const { close, kind, message, size } of items) {
        const data = enlarged(message.data, size)
        const bytes = Buffer.from(data)
        const binary = typeof data !== "string"
        if (kind === "ping" || kind === "pong") {
          sender[kind](Buffer.from(bytes.subarray(0, 125)), mask)
          expected.push(
            `${kind} ${bytes.subarray(0, 125).toString("latin1")}${kind === "pong" ? " answers undefined" : ""}`
          )
          continue
        }
        if (kind === "fragments") {
          sender.send(Buffer.from(bytes.subarray(0, size >> 1)), { binary, fin: false, mask, compress: false })
          sender.send(Buffer.from(bytes.subarray(size >> 1)), { binary, fin: true, mask, compress: false })
        } else sender.send(Buffer.from(bytes), { binary, fin: true, mask, compress: false })
        expected.push(...describeEvents([{ ...message, data } as typeof message]))
        if (close.code !== 1000) continue
        sender.close(close.code, close.reason, mask)
        expected.push(`peer closes ${close.code} ${JSON.stringify(close.reason)}`)
        break
      }
      assert.deepStrictEqual(weReceive(role, split(concat(written), cuts)), expected)
    },
    { timeout: 120_000, arbitrary: { runs: 500, size: 40 } }
  )
})
