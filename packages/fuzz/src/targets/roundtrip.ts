/**
 * Two sessions: what one is told to send, in whatever order and form, the other receives, however it is cut up.
 */
import type { Role } from "@effect-ws/protocol/SessionState"
import { cuts } from "../Mutation.ts"
import { extensionNames, finished, makePeer, play } from "../Peers.ts"
import type { ExtensionName, MakeSession } from "../Peers.ts"
import { Random, seedOf } from "../Random.ts"
import * as Rendering from "../Rendering.ts"
import type { Input, Target } from "../Target.ts"

const setups = (["server", "client"] as const).flatMap((role) => extensionNames.map((name) => `${role}/${name}`))

const exchange = async (
  input: Input,
  cutting: (wire: Uint8Array) => ReadonlyArray<ReadonlyArray<Uint8Array>>,
  make: MakeSession | undefined
): Promise<{ problem: string | undefined; bytes: number }> => {
  const [role, extension] = input.setup.split("/") as [Role, ExtensionName]
  const sender = makePeer(role === "server" ? "client" : "server", extension)
  const { events, wire } = await play(sender.session, input.bytes)
  sender.end()
  let bytes = wire.length
  for (const chunks of cutting(wire)) {
    const receiver = makePeer(role, extension, make)
    const received: Array<string> = []
    for (const chunk of chunks) {
      for (const event of receiver.session.receive(chunk)) received.push(Rendering.event(event))
      while (receiver.session.pendingDecode !== undefined) {
        const failure = await finished(receiver.session.pendingDecode)
        for (const event of receiver.session.resumeReceive(failure)) received.push(Rendering.event(event))
      }
    }
    receiver.end()
    bytes += received.reduce((sum, event) => sum + event.length, 0)
    const difference = Rendering.difference(received, events, ["received", "sent"])
    if (difference !== undefined) return { problem: `roundtrip: ${difference}`, bytes }
  }
  return { problem: undefined, bytes }
}

/** Makes the target; a test gives sessions that are broken. */
export const make = (makeSession?: MakeSession): Target => ({
  name: "roundtrip",
  setups,
  generate: (random) => random.bytes(2 + random.length(80)),
  check: async (input) =>
    (await exchange(input, (wire) => cuts(wire, new Random(seedOf(input.bytes))), makeSession)).problem,
  work: async (input) => (await exchange(input, (wire) => [[wire]], makeSession)).bytes
})
