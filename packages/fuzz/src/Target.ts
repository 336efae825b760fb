/**
 * What the fuzzer attacks: a way to make inputs, and what has to be true of each.
 */
import type { Random } from "./Random.ts"

/** An input is bytes and one of the target's setups, such as a role and an extension: enough to run it again. */
export interface Input {
  readonly setup: string
  readonly bytes: Uint8Array
}

export interface Target {
  readonly name: string
  readonly setups: ReadonlyArray<string>
  /** Makes an input: something valid, mostly changed. */
  readonly generate: (random: Random, setup: string) => Uint8Array | Promise<Uint8Array>
  /** Says what does not hold, `KIND: DETAIL`, or nothing. Whatever it throws is a problem too. */
  readonly check: (input: Input) => string | undefined | Promise<string | undefined>
  /** Does the work whose time is measured, and returns how many bytes came out of it. */
  readonly work: (input: Input) => number | Promise<number>
  /** What is still held of an input that was taken in, for the bound on memory. */
  readonly hold?: ((input: Input) => Promise<unknown>) | undefined
  /** The most bytes that the target may keep by its own limits. Default: none. */
  readonly heldLimit?: number | undefined
}
