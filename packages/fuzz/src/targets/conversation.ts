/**
 * The session while its program is busy: between the chunks of a peer it sends, pings, closes, fails and aborts, in any
 * order. It is always in one state, and what it writes is what RFC 6455 allows, as a peer of ours sees it.
 */
import { CloseError } from "@effect-ws/protocol"
import type { Session } from "@effect-ws/protocol/Session"
import type { Role } from "@effect-ws/protocol/SessionState"
import { cut, mutate } from "../Mutation.ts"
import { extensionNames, finished, makePeer, play, written } from "../Peers.ts"
import type { ExtensionName, MakeSession } from "../Peers.ts"
import { Random, seedOf } from "../Random.ts"
import type { Input, Target } from "../Target.ts"

const setups = (["server", "client"] as const).flatMap((role) => extensionNames.map((name) => `${role}/${name}`))

const setupOf = (text: string): readonly [Role, ExtensionName] => text.split("/") as unknown as [Role, ExtensionName]

const other = (role: Role): Role => (role === "server" ? "client" : "server")

// Whether it can send, can receive, owes a close frame, waits for one, and is closed: the states of `SessionState`.
const states = ["11000", "01010", "10100", "00001"]

const stateOf = ({ canReceive, canSend, isClosed, isClosing, mustAnswerClose }: Session): string =>
  [canSend, canReceive, mustAnswerClose, isClosing, isClosed].map(Number).join("")

/** Does one thing that a program may do, and returns why that was not possible, if it was not. */
const act = (session: Session, random: Random): { readonly _tag: string } | undefined => {
  const data = random.bytes(random.length(300))
  switch (random.below(random.chance(0.1) ? 13 : 8)) {
    case 0:
      return session.send("grüße", random.chance(0.5) ? { fragmentSize: 1 + random.below(4) } : undefined)
    case 1:
      return session.send(data, { compress: random.chance(0.5) })
    case 2: {
      const id = session.ping(random.chance(0.5) ? data.subarray(0, 125) : undefined)
      return typeof id === "number" ? undefined : id
    }
    case 3:
      return session.pong(data.subarray(0, 125))
    case 4:
    case 5:
      return session.sendFragment("Binary", data, random.chance(0.4))
    case 6:
      session.setWritable(random.chance(0.5))
      return undefined
    case 7:
      session.setReadMode(random.pick(["message", "fragment", "frame"]))
      return undefined
    case 8:
      return session.close(random.chance(0.5) ? 4000 : undefined)
    case 9:
      session.answerClose()
      return undefined
    case 10:
      session.fail(new CloseError.PolicyViolation({ reason: "fuzz" }))
      return undefined
    case 11:
      session.receiveEnd()
      return undefined
    default:
      session.abort("fuzz")
      return undefined
  }
}

interface Held {
  readonly problem: string | undefined
  readonly bytes: number
}

const converse = async ({ bytes, setup }: Input, make: MakeSession | undefined): Promise<Held> => {
  const [role, extension] = setupOf(setup)
  const { end, session } = makePeer(role, extension, make)
  const listener = makePeer(other(role), extension)
  const random = new Random(seedOf(bytes))
  let length = 0
  let before = stateOf(session)
  try {
    for (const chunk of cut(bytes, random, Math.max(2, bytes.length >> 3))) {
      for (let count = random.below(4); count > 0; count--) {
        const failure = act(session, random)
        if (failure !== undefined && typeof failure._tag !== "string")
          return { problem: "state: untyped failure", bytes: length }
      }
      session.receive(chunk)
      while (session.pendingDecode !== undefined) session.resumeReceive(await finished(session.pendingDecode))
      const output = await written(session)
      length += output.length
      const state = stateOf(session)
      if (!states.includes(state)) return { problem: `state: ${state} after ${before}`, bytes: length }
      if (before[4] === "1" && state !== before) return { problem: `state: ${state} after the end`, bytes: length }
      if (before[1] === "0" && state[1] === "1") return { problem: `state: ${state} after ${before}`, bytes: length }
      before = state
      const heard = listener.session.receive(output)
      while (listener.session.pendingDecode !== undefined) {
        heard.push(...listener.session.resumeReceive(await finished(listener.session.pendingDecode)))
      }
      const failed = heard.find((event) => event._tag === "Failed")
      if (failed !== undefined) {
        const { error, violation } = failed
        return { problem: `output: ${error.code} ${error.reason}, ${JSON.stringify(violation)}`, bytes: length }
      }
    }
    return { problem: undefined, bytes: length }
  } finally {
    end()
    listener.end()
  }
}

/** Makes the target; a test gives sessions that are broken. */
export const make = (makeSession?: MakeSession): Target => ({
  name: "conversation",
  setups,
  generate: async (random, setup) => {
    const [role, extension] = setupOf(setup)
    const peer = makePeer(other(role), extension)
    const { wire } = await play(peer.session, random.bytes(8 + random.length(60)))
    peer.end()
    return random.chance(0.3) ? mutate(wire, random) : wire
  },
  check: async (input) => (await converse(input, makeSession)).problem,
  work: async (input) => (await converse(input, makeSession)).bytes
})
