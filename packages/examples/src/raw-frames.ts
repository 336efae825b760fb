/**
 * The protocol without a connection around it: a few frames are encoded, cut into pieces as a network would, decoded
 * again and printed; then a whole conversation is held between two sessions by carrying bytes from one to the other.
 * Nothing here waits, and there is no Effect: this is what tools, tests and other runtimes build on.
 *
 * `node packages/examples/src/raw-frames.ts` prints both.
 */
import { Result } from "effect"
import * as CloseFrame from "effect-ws/CloseFrame"
import * as Frame from "effect-ws/Frame"
import * as FrameCodec from "effect-ws/FrameCodec"
import * as FrameParser from "effect-ws/FrameParser"
import * as Session from "effect-ws/Session"

const pieces = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.slice(at * size, (at + 1) * size))

/** Frames that crossed a wire in pieces of seven bytes, one line each. */
export const frames = (): ReadonlyArray<string> => {
  const message = Frame.text("a message in three frames")
  const sent = [
    Frame.ping("are you there?"),
    ...Frame.fragment(message, 10),
    Frame.close(CloseFrame.encode(1000, "that was all"))
  ]
  const wire = FrameCodec.encodeAll(sent)
  const parser = new FrameParser.FrameParser()
  return pieces(wire, 7).flatMap((piece) => Result.getOrThrow(parser.push(piece)).map(Frame.render))
}

/** What two ends tell each other, one line for each event. */
export const conversation = (): ReadonlyArray<string> => {
  const client = new Session.Session({ role: "client", maskingKey: () => 0x12345678 })
  const server = new Session.Session({ role: "server" })
  const lines: Array<string> = []
  const carry = (from: Session.Session, to: Session.Session, name: string): void => {
    const chunks = from.output.take().map((chunk) => new Uint8Array(chunk))
    from.output.release(false)
    for (const chunk of chunks) {
      for (const event of to.receive(chunk)) lines.push(`${name}: ${event._tag}`)
      if (to.mustAnswerClose) to.answerClose()
    }
  }
  client.send("hello")
  client.ping()
  carry(client, server, "server")
  server.send("welcome")
  carry(server, client, "client")
  client.close(1000, "bye")
  carry(client, server, "server")
  carry(server, client, "client")
  const { clean, initiator } = client.closeInfo!
  return [...lines, `the ${initiator} end began, ${clean ? "and it was clean" : "and it broke off"}`]
}

if (import.meta.main) for (const line of [...frames(), "", ...conversation()]) console.log(line)
