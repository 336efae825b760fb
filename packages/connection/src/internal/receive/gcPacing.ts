/**
 * Has V8 collect its young generation in time for what was received, which lies outside of its heap.
 *
 * All that the young generation holds of a chunk is a small object, so it is full, and collected, long after the memory
 * behind the chunks has become much: it may be 32 MiB, and is in a process that has loaded Effect. Before that V8
 * reaches its limit for external memory and collects the whole heap instead, again and again, which takes ten times as
 * long and stops every connection.
 *
 * The option is Node's `--expose-gc`, on the command line or in `NODE_OPTIONS`, and `serve` sets it itself: with it,
 * this module collects the young generation after every 16 MiB of chunks, in less than a millisecond. Without it, each
 * chunk leaves some garbage inside the heap, which costs what clearing as many bytes does; measured with one busy
 * connection of 1 KiB messages beside 999 quiet ones, it takes the 99th percentile of the quiet ones from 10-30 ms to
 * 1-3 ms and makes the busy one a third faster.
 */
type Collect = (options: { readonly type: "minor" }) => void

/** The bytes of chunks between two collections: a quarter of what V8 allows before it collects the whole heap. */
export const collectEvery = 16 * 1024 * 1024

// With less, collections of the whole heap come back; with more, clearing the garbage costs more than it saves.
const SHARE = 1 / 4
// What is copied and thrown away: small enough for the young generation.
const GARBAGE = Array.from({ length: 1024 }, () => 0)
const GARBAGE_BYTES = GARBAGE.length * 8

// Never read. Where it went nowhere, the compiler would leave the copy out.
export let sink: ReadonlyArray<number> = GARBAGE

/** Creates the function that counts bytes outside of the heap which the collector is to free. */
export const makePacing = (collect: Collect | undefined): ((bytes: number) => void) => {
  let owed = 0
  return collect === undefined
    ? (bytes) => {
        for (owed += bytes * SHARE; owed >= GARBAGE_BYTES; owed -= GARBAGE_BYTES) sink = GARBAGE.slice()
      }
    : (bytes) => {
        owed += bytes
        if (owed < collectEvery) return
        owed = 0
        collect({ type: "minor" })
      }
}

/** Counts bytes outside of the heap that the collector is to free. */
export const noteExternalBytes: (bytes: number) => void = makePacing(
  (globalThis as { readonly gc?: Collect | undefined }).gc
)
