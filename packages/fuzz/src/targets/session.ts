/**
 * The session: any bytes from a peer, in any pieces.
 */
import type { Session } from "@effect-ws/protocol/Session"
import type { Role } from "@effect-ws/protocol/SessionState"
import { deflateRawSync } from "node:zlib"
import { cuts, mutate } from "../Mutation.ts"
import { extensionNames, finished, limits, makePeer, maskingKey, play, taken } from "../Peers.ts"
import type { ExtensionName, MakeSession, Peer } from "../Peers.ts"
import { Random, seedOf } from "../Random.ts"
import * as Reference from "../Reference.ts"
import * as Rendering from "../Rendering.ts"
import type { Input, Target } from "../Target.ts"
import * as Wire from "../Wire.ts"

interface Setup {
  readonly role: Role
  readonly extension: ExtensionName
  readonly delivery: "message" | "frame"
}

const setupOf = (text: string): Setup => {
  const [role, extension, delivery] = text.split("/")
  return { role, extension, delivery } as Setup
}

const setups = (["server", "client"] as const).flatMap((role) => [
  // The only one that is compared with the reference, so it comes more often.
  ...Array.from({ length: 4 }, () => `${role}/none/message`),
  `${role}/none/frame`,
  ...extensionNames.filter((name) => name !== "none").map((name) => `${role}/${name}/message`),
  `${role}/deflate/frame`
])

/** What came of a stream: events, what was written before the end, what broke the rules of the state machine. */
interface Outcome {
  readonly events: ReadonlyArray<string>
  readonly output: Uint8Array
  readonly problem: string | undefined
}

const wrongState = (session: Session, isOver: boolean): string | undefined => {
  const { canReceive, canSend, closeInfo, isClosed, isClosing, mustAnswerClose } = session
  const flags = JSON.stringify({ canReceive, canSend, isClosed, isClosing, mustAnswerClose, isOver })
  if (isOver === canReceive) return `state: whether it can receive, ${flags}`
  if (isOver !== (closeInfo !== undefined)) return `state: whether there is a closure, ${flags}`
  if (mustAnswerClose && (isClosed || isClosing || !canSend)) return `state: whether it owes a close frame, ${flags}`
  if (session.bufferedBytes > limits.maxMessageSize + 125) return `memory: ${session.bufferedBytes} bytes are buffered`
  return undefined
}

const feed = async (session: Session, chunks: ReadonlyArray<Uint8Array>): Promise<Outcome> => {
  const events: Array<string> = []
  let isOver = false
  let problem: string | undefined
  for (const chunk of chunks) {
    let batch = session.receive(chunk)
    for (;;) {
      for (const event of batch) {
        if (isOver) problem ??= `state: ${event._tag} after the end`
        isOver ||= event._tag === "Failed" || event._tag === "CloseReceived"
        events.push(Rendering.event(event))
      }
      problem ??= wrongState(session, isOver)
      if (session.pendingDecode === undefined) break
      batch = session.resumeReceive(await finished(session.pendingDecode))
    }
  }
  const output = taken(session)
  return { events, output, problem: problem ?? end(session, isOver) }
}

// However it stands, the session comes to its end, and sends a close frame and nothing behind it.
const end = (session: Session, isOver: boolean): string | undefined => {
  session.receiveEnd()
  if (session.mustAnswerClose) session.answerClose()
  if (!session.isClosed || session.canSend || session.closeInfo === undefined)
    return "state: it is not closed at the end"
  if (session.send("late") === undefined) return "state: it sends after its end"
  const output = taken(session)
  const isRight = isOver ? (output[0]! & 0x0f) === 8 : output.length === 0
  return isRight ? undefined : `state: it wrote ${Buffer.from(output).toString("hex")} at the end`
}

const run = async (
  input: Input,
  chunks: ReadonlyArray<Uint8Array>,
  make: MakeSession | undefined
): Promise<Outcome> => {
  const { delivery, extension, role } = setupOf(input.setup)
  const peer = makePeer(role, extension, make)
  peer.session.setReadMode(delivery)
  try {
    return await feed(peer.session, chunks)
  } finally {
    peer.end()
  }
}

const pongFrames = (pongs: ReadonlyArray<Uint8Array>, role: Role): Buffer =>
  Buffer.concat(
    pongs.map((payload) =>
      Wire.encode(
        { fin: true, rsv: 0, opcode: 10, masked: role === "client", form: 0, length: payload.length },
        payload,
        maskingKey
      )
    )
  )

const isInvalid = (outcome: Outcome): boolean => outcome.events.at(-1) === Rendering.failed(1007)

// zlib accepts a distance beyond a small window when the same call produced the bytes that it refers to, so the pieces
// decide whether such a stream fails, and where. Up to there the two must agree.
const upToFailure = (outcome: Outcome, other: Outcome): Outcome => {
  const ends = [outcome, other].filter(isInvalid).map(({ events }) => events.length - 1)
  const length = Math.min(outcome.output.length, other.output.length)
  return ends.length === 0
    ? outcome
    : { ...outcome, events: outcome.events.slice(0, Math.min(...ends)), output: outcome.output.subarray(0, length) }
}

const check = async (input: Input, make: MakeSession | undefined): Promise<string | undefined> => {
  const { delivery, extension, role } = setupOf(input.setup)
  const [whole, ...pieces] = cuts(input.bytes, new Random(seedOf(input.bytes)))
  const first = await run(input, whole!, make)
  if (first.problem !== undefined) return first.problem
  for (const chunks of pieces) {
    const another = await run(input, chunks, make)
    if (another.problem !== undefined) return another.problem
    const hasSmallWindow = extension === "deflate-small"
    const other = hasSmallWindow ? upToFailure(another, first) : another
    const expected = hasSmallWindow ? upToFailure(first, another) : first
    const lengths = chunks.length > 40 ? `${chunks.length} pieces` : chunks.map((chunk) => chunk.length).join("+")
    const difference = Rendering.difference(other.events, expected.events, [`in ${lengths}`, "whole"])
    if (difference !== undefined) return `split: ${difference}`
    if (!Buffer.from(other.output).equals(expected.output)) return `split: another output in ${lengths}`
  }
  if (extension !== "none" || delivery !== "message") return undefined
  const expected = Reference.receive(input.bytes, role, limits)
  const difference = Rendering.difference(first.events, expected.events, ["here", "by the reference"])
  if (difference !== undefined) return `reference: ${difference}`
  return Buffer.from(first.output).equals(pongFrames(expected.pongs, role))
    ? undefined
    : `reference: another output, ${Buffer.from(first.output).toString("hex").slice(0, 80)}`
}

const valid = (random: Random, { extension, role }: Setup): Promise<Uint8Array> => {
  const peer = makePeer(role === "server" ? "client" : "server", extension)
  return play(peer.session, random.bytes(4 + random.length(60))).then(({ wire }) => {
    peer.end()
    return wire
  })
}

// Payloads for frames made by hand: plain, or deflated (and marked nowhere: a mutation sets the bit).
const payloads = (random: Random): Uint8Array => {
  const plain = random.bytes(random.length(random.chance(0.05) ? 70_000 : 200))
  return random.chance(0.3) ? new Uint8Array(deflateRawSync(plain)) : plain
}

/** Makes the target; a test gives sessions that are broken. */
export const make = (makeSession?: MakeSession): Target => ({
  name: "session",
  setups,
  generate: async (random, text) => {
    const setup = setupOf(text)
    const stream = random.chance(0.5) ? await valid(random, setup) : Wire.frames(random, setup.role, payloads)
    return random.chance(0.7) ? mutate(stream, random) : stream
  },
  check: (input) => check(input, makeSession),
  work: async (input) => {
    let produced = 0
    for (const chunks of [[input.bytes.slice()], cuts(input.bytes, new Random(1))[2]!]) {
      const { events, output } = await run(input, chunks, makeSession)
      produced += output.length + events.reduce((sum, event) => sum + event.length, 0)
    }
    return produced
  },
  hold: async (input) => {
    const { extension, role } = setupOf(input.setup)
    const peer: Peer = makePeer(role, extension, makeSession)
    for (const chunk of cuts(input.bytes, new Random(1))[2]!) {
      peer.session.receive(chunk)
      while (peer.session.pendingDecode !== undefined) {
        peer.session.resumeReceive(await finished(peer.session.pendingDecode))
      }
    }
    return peer
  },
  heldLimit: limits.maxMessageSize
})
