/**
 * Bounds on what an input may cost, in processor time and memory, for each byte that goes in and comes out.
 *
 * A machine has other things to do, so a single measurement proves nothing. A suspect is measured again, by the
 * processor time of this process, and the least of all measurements counts.
 */
import { setImmediate } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { Input, Target } from "./Target.ts"

/** What any input may take, in microseconds: code that runs for the first time is slow. */
const baseMicros = 10_000
/** What each byte that goes in or comes out may take beside that, in microseconds. */
const microsPerByte = 1

const attempts = 6

const cpuMicros = async (target: Target, input: Input): Promise<number> => {
  const before = process.cpuUsage()
  await target.work(input)
  const { system, user } = process.cpuUsage(before)
  return system + user
}

/** Says if an input takes too long. */
export const time = async (target: Target, input: Input): Promise<string | undefined> => {
  const start = performance.now()
  const bytes = input.bytes.length + (await target.work(input))
  let micros = (performance.now() - start) * 1000
  const allowed = baseMicros + microsPerByte * bytes
  for (let attempt = 0; attempt < attempts && micros > allowed; attempt++) {
    micros = Math.min(micros, await cpuMicros(target, input))
  }
  return micros > allowed
    ? `time: ${Math.round(micros / 1000)} ms for ${bytes} bytes in and out, at most ${Math.round(allowed / 1000)} ms are allowed`
    : undefined
}

/** Measures what an input takes, in nanoseconds for each byte that goes in and comes out: the least of a few times. */
export const nanosPerByte = async (target: Target, input: Input): Promise<number> => {
  const bytes = input.bytes.length + (await target.work(input))
  let least = Infinity
  for (let attempt = 0; attempt < 3; attempt++) least = Math.min(least, await cpuMicros(target, input))
  return (least * 1000) / bytes
}

/** What may be held of any input beside its own limits: objects, and what the collector left. */
const baseBytes = 2 * 1024 * 1024
/** What each byte of input may hold: bytes that arrive one by one are gathered. */
const heldPerByte = 8

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

// The memory of buffers is freed on another thread, some time after they were collected.
const usedBytes = async (): Promise<number> => {
  let least = Infinity
  for (let round = 0; round < 5; round++) {
    collect()
    await setImmediate()
    const { arrayBuffers, heapUsed } = process.memoryUsage()
    const used = arrayBuffers + heapUsed
    if (used > least - 64 * 1024) return Math.min(used, least)
    least = used
  }
  return least
}

/** Measures what is held of an input. */
export const memory = async (target: Target, input: Input): Promise<string | undefined> => {
  const { hold } = target
  if (hold === undefined) return undefined
  const allowed = baseBytes + (target.heldLimit ?? 0) + heldPerByte * input.bytes.length
  // What an earlier attempt held may not be gone when the next one begins.
  let base = Infinity
  let least = Infinity
  for (let attempt = 0; attempt < 3 && least > allowed; attempt++) {
    base = Math.min(base, await usedBytes())
    least = Math.min(least, (await usedWhileHeld(hold, input)) - base)
  }
  return least > allowed
    ? `memory: ${least} bytes are held of ${input.bytes.length}, at most ${allowed} are allowed`
    : undefined
}

const usedWhileHeld = async (hold: NonNullable<Target["hold"]>, input: Input): Promise<number> => {
  kept.push(await hold(input))
  const used = await usedBytes()
  kept.length = 0
  return used
}

// What is measured must not be collected before it was.
const kept: Array<unknown> = []
