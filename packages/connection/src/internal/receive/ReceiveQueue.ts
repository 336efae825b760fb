/**
 * What a connection received and its program has not taken yet, and the shapes in which it can be taken: messages,
 * pieces of one message, or frames.
 *
 * It is taken one item at a time, so that a program can stop at any of them and go on with the next. The shapes mix
 * only when a program changes how it reads: pieces and frames that arrived before messages were asked for are joined to
 * messages.
 */
import type * as SessionEvent from "@effect-ws/protocol/SessionEvent"
import * as Frame from "@effect-ws/protocol/Frame"
import * as Message from "@effect-ws/protocol/Message"
import * as Opcode from "@effect-ws/protocol/Opcode"
import * as Utf8 from "@effect-ws/protocol/Utf8"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { ConnectionEvent, Sent } from "../../Connection.ts"

type Side = SessionEvent.Ping | SessionEvent.Pong | Sent
type Held = Message.Message | SessionEvent.Fragment | SessionEvent.DataFrame | Side

const none: Array<never> = []

// Stands where an item was that has been taken.
const gone: Held = { _tag: "Text", data: "" }

// What an item costs beside its payload, roughly: a flood of empty messages has a bound too.
const ITEM_BYTES = 32

export class ReceiveQueue {
  /** Bytes in here: payload, and something for each item. */
  bytes = 0
  /** What else than data is kept, for {@link takeEvents}. */
  keeps: ReadonlyArray<Side["_tag"]> = none

  private held: Array<Held> = none
  // How many of the first of them were taken.
  private taken = 0
  private joining: Joining | undefined = undefined
  // Counts the messages that were begun in pieces, so that a reader knows whether it is still the one.
  private reading = 0
  // The number of the last message that was read to its end.
  private lastRead = 0
  // Whether the next item begins a message that the program has and read no piece of yet.
  private begun = false

  get isEmpty(): boolean {
    return this.taken === this.held.length
  }

  /** Adds events. The queue owns the list from then on: it keeps the list of an empty queue as it is. */
  add(events: Array<SessionEvent.SessionEvent>): void {
    if (this.held !== none) return this.addEach(events)
    let bytes = 0
    for (let at = 0; at < events.length; at++) {
      const event = events[at]!
      if (event._tag !== "Text" && event._tag !== "Binary") return this.addEach(events)
      bytes += ITEM_BYTES + event.data.length
    }
    if (events.length === 0) return
    this.held = events as Array<Held>
    this.bytes += bytes
  }

  private addEach(events: ReadonlyArray<SessionEvent.SessionEvent>): void {
    for (let at = 0; at < events.length; at++) {
      const event = events[at]!
      switch (event._tag) {
        case "Text":
        case "Binary":
          this.bytes += ITEM_BYTES + event.data.length
          break
        case "Fragment":
          this.bytes += ITEM_BYTES + event.data.length
          break
        case "Frame":
          this.bytes += ITEM_BYTES + event.frame.payload.length
          break
        case "Ping":
        case "Pong":
          if (!this.keeps.includes(event._tag)) continue
          this.bytes += ITEM_BYTES + event.data.length
          break
        default:
          continue
      }
      this.push(event)
    }
  }

  /** Tells that a message of ours was written, to a program that observes that. */
  addSent(event: Sent): void {
    this.push(event)
  }

  private push(item: Held): void {
    if (this.held === none) this.held = [item]
    else this.held.push(item)
  }

  clear(): void {
    this.held = none
    this.taken = 0
    this.bytes = 0
    this.joining = undefined
    this.begun = false
  }

  /** Takes the next message. */
  takeMessage(): Message.Message | undefined {
    for (let item = this.shift(); item !== undefined; item = this.shift()) {
      if (item._tag === "Text" || item._tag === "Binary") return item
      const message = isSide(item) ? undefined : this.toMessage(item)
      if (message !== undefined) return message
    }
    return undefined
  }

  /** Takes the next message or what else is kept. */
  takeEvent(): ConnectionEvent | undefined {
    for (let item = this.shift(); item !== undefined; item = this.shift()) {
      const event = isSide(item) ? item : this.toMessage(item)
      if (event !== undefined) return event
    }
    return undefined
  }

  /** Takes all events, or as many as are asked for. */
  takeEvents(max = Infinity): NonEmptyReadonlyArray<ConnectionEvent> | undefined {
    const first = this.takeEvent()
    if (first === undefined) return undefined
    const events: [ConnectionEvent, ...Array<ConnectionEvent>] = [first]
    while (events.length < max) {
      const event = this.takeEvent()
      if (event === undefined) break
      events.push(event)
    }
    return events
  }

  /** Takes the next frame. */
  takeFrame(): Frame.Frame | undefined {
    for (let item = this.shift(); item !== undefined; item = this.shift()) {
      if (!isSide(item)) return toFrame(item)
    }
    return undefined
  }

  /** Begins to read the next message in pieces, and skips what is left of one that was read so before. */
  beginStream(): Beginning | undefined {
    for (let item = this.peek(); item !== undefined; item = this.peek()) {
      if (item._tag === "Fragment" && item.first && !this.begun && this.joining === undefined) {
        this.begun = true
        return { _tag: "Pieces", type: item.type, reading: ++this.reading }
      }
      this.shift()
      const message = isSide(item) ? undefined : this.toMessage(item)
      if (message !== undefined) return { _tag: "Whole", message }
    }
    return undefined
  }

  /** Takes the next piece of the message that {@link beginStream} gave the number of. */
  takePiece(reading: number): SessionEvent.Fragment | undefined {
    if (reading !== this.reading) throw new Error("the rest of this message was skipped when a later one was asked for")
    for (let item = this.peek(); item !== undefined; item = this.peek()) {
      if (item._tag !== "Fragment") {
        if (!isSide(item)) return undefined
        this.shift()
        continue
      }
      this.shift()
      this.begun = false
      if (item.last) this.lastRead = reading
      return item
    }
    return undefined
  }

  /** Whether the last piece of the message with this number was taken. */
  isRead(reading: number): boolean {
    return reading === this.lastRead
  }

  private peek(): Held | undefined {
    return this.isEmpty ? undefined : this.held[this.taken]
  }

  private shift(): Held | undefined {
    if (this.isEmpty) return undefined
    const item = this.held[this.taken]!
    // A peer that is faster than the program never lets this run empty: neither the item nor its place may stay.
    this.held[this.taken++] = gone
    this.bytes -= sizeOf(item)
    if (this.isEmpty) {
      this.held = none
      this.taken = 0
    } else if (this.taken >= 1024 && this.taken * 2 >= this.held.length) {
      this.held = this.held.slice(this.taken)
      this.taken = 0
    }
    return item
  }

  // Gives a message when it is whole. Pieces whose beginning went to a reader of pieces are what that reader left.
  private toMessage(item: Exclude<Held, Side>): Message.Message | undefined {
    if (item._tag === "Text" || item._tag === "Binary") return item
    const { data, first, last, type } = item._tag === "Fragment" ? item : toFragment(item.frame)
    if (first && this.begun) {
      this.begun = false
      this.reading++
    } else if (first) {
      this.joining = { type, pieces: [] }
      // The pieces of an earlier message are not read any more.
      this.reading++
    }
    const joining = this.joining
    if (joining === undefined) return undefined
    joining.pieces.push(data)
    if (!last) return undefined
    this.joining = undefined
    return join(joining)
  }
}

/** How the next message is there: whole, or in pieces that are read by number. */
export type Beginning =
  | { readonly _tag: "Whole"; readonly message: Message.Message }
  | { readonly _tag: "Pieces"; readonly type: "Text" | "Binary"; readonly reading: number }

/** A message of which some pieces are there. */
export interface Joining {
  readonly type: "Text" | "Binary"
  readonly pieces: Array<string | Uint8Array>
}

const isSide = (item: Held): item is Side => item._tag === "Ping" || item._tag === "Pong" || item._tag === "Sent"

const sizeOf = (item: Held): number => {
  if (item._tag === "Sent") return 0
  return ITEM_BYTES + (item._tag === "Frame" ? item.frame.payload.length : item.data.length)
}

const toFrame = (item: Exclude<Held, Side>): Frame.Frame => {
  switch (item._tag) {
    case "Frame":
      return item.frame
    case "Text":
      return Frame.text(item.data)
    case "Binary":
      return Frame.binary(item.data)
    case "Fragment": {
      const opcode = !item.first ? Opcode.Continuation : item.type === "Text" ? Opcode.Text : Opcode.Binary
      return Frame.make(opcode, item.data, { fin: item.last })
    }
  }
}

const toFragment = (
  frame: Frame.Frame
): {
  readonly type: "Text" | "Binary"
  readonly data: Uint8Array
  readonly first: boolean
  readonly last: boolean
} => ({
  type: frame.opcode === Opcode.Text ? "Text" : "Binary",
  data: frame.payload,
  first: frame.opcode !== Opcode.Continuation,
  last: frame.fin
})

/** Makes a message of all its pieces. */
export const join = ({ pieces, type }: Joining): Message.Message => {
  if (pieces.every((piece) => typeof piece === "string")) return Message.text(pieces.join(""))
  const parts = pieces.map((piece) => (typeof piece === "string" ? Utf8.encode(piece) : piece))
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return type === "Binary" ? Message.binary(whole) : Message.text(Utf8.decode(whole) ?? "")
}
