/**
 * Has V8 collect its young generation in time for what was received, which lies outside of its heap.
 *
 * All that the young generation holds of a chunk is a small object, so it is full, and collected, long after the memory
 * behind the chunks has become much: it may be 16 MiB, and is in a process that has loaded Effect. Before that V8 comes to
 * its limit for memory outside, and collects the whole heap in its place, again and again, which takes ten times as long
 * and has every connection wait. So a chunk that is left to the collector leaves some garbage inside the heap too. That
 * costs what clearing as many bytes does; measured with one busy connection of 1 KiB messages beside 999 quiet ones, it
 * takes the 99th percentile of the quiet ones from 10-30 ms to 1-3 ms and has the busy one a third faster.
 */

// With less, collections of the whole heap come back; with more, clearing the garbage costs more than it saves.
const SHARE = 1 / 4
// What is copied and thrown away: small enough for the young generation.
const SCRAP = Array.from({ length: 1024 }, () => 0)
const SCRAP_BYTES = SCRAP.length * 8

let owed = 0
// Read by nobody. Where it went nowhere, the compiler would leave the copy out.
export let scrap: ReadonlyArray<number> = SCRAP

/** Tells of bytes outside of the heap that the collector is to free. */
export const noteExternalBytes = (bytes: number): void => {
  for (owed += bytes * SHARE; owed >= SCRAP_BYTES; owed -= SCRAP_BYTES) scrap = SCRAP.slice()
}
