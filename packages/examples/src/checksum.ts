/**
 * An extension in one file: a checksum behind the payload of each data frame, marked by RSV2.
 *
 * It is offered as `x-frame-checksum; algorithm=adler32`. The sender appends four bytes to each data frame and sets
 * RSV2; the receiver takes them off again, and closes the connection with 1007 where they do not fit. `layer` goes
 * where the layer of any extension goes: to a server, which then accepts it, or to a client, which offers it. The steps
 * to write one are in `docs/extensions.md`.
 */
import { Extension, Extensions } from "@effect-ws/extensions"
import { CloseError } from "@effect-ws/protocol"
import { Effect, Schema } from "effect"
import type { Layer } from "effect"

const rsv2 = 0x20

const Params = Schema.Struct({ algorithm: Schema.Literals(["adler32"]) })

const adler32 = (bytes: Uint8Array): number => {
  let a = 1
  let b = 0
  for (const byte of bytes) {
    a = (a + byte) % 65_521
    b = (b + a) % 65_521
  }
  return ((b << 16) | a) >>> 0
}

export const checksum: Extension.Extension = Extension.make({
  name: "x-frame-checksum",
  rsv: rsv2,
  level: "frame",
  offer: Params,
  answer: Params,
  offers: [{ algorithm: "adler32" }],
  accept: (offer) => offer,
  check: (answer, offer) => (answer.algorithm === offer.algorithm ? undefined : "another algorithm was offered"),
  open: () =>
    Effect.succeed({
      encode: (part) => {
        const framed = new Uint8Array(part.payload.length + 4)
        framed.set(part.payload)
        new DataView(framed.buffer).setUint32(part.payload.length, adler32(part.payload))
        part.payload = framed
        part.rsv |= rsv2
      },
      decode: (part) => {
        if ((part.rsv & rsv2) === 0) return undefined
        const length = part.payload.length - 4
        if (length < 0) return new CloseError.InvalidPayload({ reason: "a frame without its checksum" })
        const body = part.payload.subarray(0, length)
        const found = new DataView(part.payload.buffer, part.payload.byteOffset + length).getUint32(0)
        if (found !== adler32(body)) return new CloseError.InvalidPayload({ reason: "a wrong checksum" })
        part.payload = body
        part.rsv &= ~rsv2
        return undefined
      }
    })
})

export const layer: Layer.Layer<never> = Extensions.layer([checksum])
