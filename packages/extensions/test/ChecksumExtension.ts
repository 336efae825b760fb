/**
 * A worked example of an extension: a checksum behind the payload of each data frame, marked by RSV2.
 *
 * It is offered as `x-frame-checksum; algorithm=adler32`. The sender appends four bytes to each data frame and sets
 * RSV2; the receiver takes them off again, and closes the connection with 1007 where they do not fit.
 */
import { Extension, Extensions } from "@effect-ws/extensions"
import { CloseError } from "@effect-ws/protocol"
import { Effect, Schema } from "effect"
import type { Layer } from "effect"

const rsv2 = 0x20

const Params = Schema.Struct({ algorithm: Schema.Literals(["adler32", "sum32"]) })

type Algorithm = (typeof Params.Type)["algorithm"]

/** What programs can ask of it: how many frames were checked on each connection, as an example of state. */
export interface ChecksumOptions {
  readonly algorithms: ReadonlyArray<Algorithm>
  readonly onClose?: ((framesChecked: number) => void) | undefined
}

export const checksum = (options: ChecksumOptions): Extension.Extension =>
  Extension.make({
    name: "x-frame-checksum",
    rsv: rsv2,
    level: "frame",
    offer: Params,
    answer: Params,
    offers: options.algorithms.map((algorithm) => ({ algorithm })),
    accept: (offer) => (options.algorithms.includes(offer.algorithm) ? offer : undefined),
    check: (answer, offer) =>
      answer.algorithm === offer.algorithm ? undefined : `the algorithm ${answer.algorithm} was not offered`,
    open: Effect.fnUntraced(function* ({ answer: { algorithm } }) {
      let checked = 0
      yield* Effect.addFinalizer(() => Effect.sync(() => options.onClose?.(checked)))
      return {
        encode: (part) => {
          const framed = new Uint8Array(part.payload.length + 4)
          framed.set(part.payload)
          new DataView(framed.buffer).setUint32(part.payload.length, sum(algorithm, part.payload))
          part.payload = framed
          part.rsv |= rsv2
        },
        decode: (part) => {
          if ((part.rsv & rsv2) === 0) return undefined
          const length = part.payload.length - 4
          if (length < 0) return new CloseError.InvalidPayload({ reason: "a frame without its checksum" })
          const body = part.payload.subarray(0, length)
          const found = new DataView(part.payload.buffer, part.payload.byteOffset + length).getUint32(0)
          if (found !== sum(algorithm, body)) return new CloseError.InvalidPayload({ reason: "a wrong checksum" })
          checked++
          part.payload = body
          part.rsv &= ~rsv2
          return undefined
        }
      }
    })
  })

export const layer = (options: ChecksumOptions): Layer.Layer<never> => Extensions.layer([checksum(options)])

const sum = (algorithm: Algorithm, bytes: Uint8Array): number => {
  let a = 1
  let b = 0
  for (const byte of bytes) {
    a = algorithm === "adler32" ? (a + byte) % 65_521 : (a + byte) >>> 0
    b = (b + a) % 65_521
  }
  return algorithm === "adler32" ? ((b << 16) | a) >>> 0 : a
}
