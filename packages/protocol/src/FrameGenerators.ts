/**
 * Generators of protocol data for property tests: frames that an end may send, messages and close frames.
 *
 * They are a module of their own, so that a program that imports `FrameCodec` does not load the generators.
 *
 * @since 0.1.0
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as CloseFrame from "./CloseFrame.ts"
import * as Frame from "./Frame.ts"
import * as Message from "./Message.ts"
import * as Opcode from "./Opcode.ts"
import * as SessionState from "./SessionState.ts"

const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))

const isWellFormed = Schema.makeFilter((text: string) => (text.isWellFormed() ? undefined : "no lone surrogate"))

/**
 * Generates text that survives UTF-8: any characters except lone surrogates.
 *
 * @category generators
 * @since 0.1.0
 */
export const text: Arbitrary.Arbitrary<string> = Arbitrary.map(Arbitrary.schema(Schema.String), (value) =>
  value.toWellFormed()
)

/**
 * Generates bytes.
 *
 * @category generators
 * @since 0.1.0
 */
export const bytes: Arbitrary.Arbitrary<Uint8Array> = Arbitrary.schema(Schema.Uint8Array)

/**
 * Generates messages.
 *
 * @category generators
 * @since 0.1.0
 */
export const message: Arbitrary.Arbitrary<Message.Message> = Arbitrary.map(
  Arbitrary.all({ isText: Arbitrary.schema(Schema.Boolean), text, bytes }),
  (parts) => (parts.isText ? Message.text(parts.text) : Message.binary(parts.bytes))
)

/**
 * Generates the content of close frames, sometimes without a code.
 *
 * @category generators
 * @since 0.1.0
 */
export const closeFrame: Arbitrary.Arbitrary<CloseFrame.CloseFrame> = Arbitrary.map(
  Arbitrary.all({
    isEmpty: Arbitrary.schema(Schema.Literals([true, false, false, false])),
    registered: Arbitrary.schema(Schema.Boolean),
    code: Arbitrary.schema(Schema.Literals([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014])),
    application: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 3000, maximum: 4999 }))),
    reason: Arbitrary.schema(Schema.String.check(Schema.isMaxLength(41), isWellFormed))
  }),
  ({ application, code, isEmpty, reason, registered }): CloseFrame.CloseFrame =>
    isEmpty ? { reason: "" } : { code: registered ? code : application, reason }
)

/**
 * Generates single frames that an end of this role may send while no message is in progress: whole messages, first
 * fragments, pings, pongs and closes. A client's frames are masked with any key.
 *
 * @category generators
 * @since 0.1.0
 */
export const frame = (role: SessionState.Role): Arbitrary.Arbitrary<Frame.Frame> =>
  Arbitrary.map(
    Arbitrary.all({
      opcode: Arbitrary.schema(
        Schema.Literals([Opcode.Text, Opcode.Binary, Opcode.Ping, Opcode.Pong, Opcode.Close, Opcode.Binary])
      ),
      fin: Arbitrary.schema(Schema.Boolean),
      key: Arbitrary.schema(Schema.Tuple([Byte, Byte, Byte, Byte])),
      text,
      bytes,
      close: closeFrame
    }),
    ({ bytes, close, fin, key, opcode, text }) => {
      const payload =
        opcode === Opcode.Text
          ? text
          : opcode === Opcode.Close
            ? CloseFrame.encode(close.code, close.reason)
            : Opcode.isControl(opcode)
              ? bytes.subarray(0, 125)
              : bytes
      return Frame.make(opcode, payload, {
        fin: fin || Opcode.isControl(opcode),
        maskingKey: SessionState.roles[role].masks ? Uint8Array.from(key) : undefined
      })
    }
  )
