/** One run: peers that misbehave against one server for some time, and a count of what is left when they are gone. */
import { behaviours, choose } from "./Behaviours.ts"
import { Random } from "./Random.ts"
import { pause, RawPeer } from "./RawPeer.ts"
import type { Target } from "./RawPeer.ts"
import type { Server } from "./Server.ts"
import type { Held, Outcome, Tally } from "./Verdict.ts"

export interface AttackOptions {
  readonly seconds: number
  readonly seed: number
  /** How many peers there are at once. */
  readonly peers: number
}

// The longest limit of the server is a few seconds; a machine with other work is slower.
const settleMillis = 30_000

/** Attacks a server, stops it while peers are stuck, and returns what came of it. */
export const attack = async (
  server: Server,
  transport: "tcp" | "tls",
  { peers, seconds, seed }: AttackOptions
): Promise<Outcome> => {
  const target = { port: server.port, transport }
  const tallies = new Map<string, Tally>(behaviours.map(({ name }) => [name, { ok: 0, failures: [] }]))
  const perform = async (behaviour: (typeof behaviours)[number], random: Random): Promise<void> => {
    const tally = tallies.get(behaviour.name)!
    await behaviour.run(target, random).then(
      () => tally.ok++,
      (error: unknown) => tally.failures.push(error instanceof Error ? error.message : String(error))
    )
  }

  // Everything once, so that what a process makes once is not taken for a leak, and each is known to have run.
  await Promise.all(behaviours.map((behaviour, at) => perform(behaviour, new Random(seed + at))))
  const before = await settled(server)

  const deadline = Date.now() + seconds * 1000
  const peer = async (number: number): Promise<void> => {
    const random = new Random(seed * 1000 + number)
    while (Date.now() < deadline) await perform(choose(random), random)
  }
  await Promise.all(Array.from({ length: peers }, (_, number) => peer(number)))
  const after = await settled(server)

  await holdOn(target)
  return { tallies, before, after, peakRssKiB: server.peakRssKiB(), exitCode: await server.stop() }
}

// Waits until the server has nothing to do. What still stands after that is for the verdict.
const settled = async (server: Server): Promise<Held> => {
  const deadline = Date.now() + settleMillis
  let held = await server.held()
  while (held.connections > 0 && Date.now() < deadline) {
    await pause(500)
    held = await server.held()
  }
  // Timers and sockets that are closing end a moment later.
  await pause(1500)
  return server.held()
}

// Peers that neither read nor answer while the server is told to stop.
const holdOn = async (target: Target): Promise<void> => {
  await Promise.all(Array.from({ length: 20 }, () => RawPeer.open(target).catch(() => undefined)))
}
