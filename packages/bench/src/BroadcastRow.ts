/**
 * The rows in which what one connection sends goes to all: `broadcast-1000` is 1000 connections.
 */

/** Messages of `bytes` that one connection sends and all get, `depth` of them under way. */
export interface BroadcastLoad {
  readonly mode: "broadcast"
  readonly connections: number
  readonly depth: number
  readonly bytes: number
}

/** The rows that are run when none is named. */
export const standard: ReadonlyArray<string> = ["broadcast-1000", "broadcast-10000"]

const name = /^broadcast-(\d+)$/

/** Reads the name of such a row, or tells that it is none. */
export const parse = (row: string): BroadcastLoad | undefined => {
  const connections = name.exec(row)?.[1]
  // With two under way the server need not wait for the generator to have read the last copy of the one before.
  return connections === undefined
    ? undefined
    : { mode: "broadcast", connections: Number(connections), depth: 2, bytes: 64 }
}

/** Whether a load is a broadcast. */
export const isBroadcastLoad = <Load extends { readonly mode: string }>(
  load: Load | BroadcastLoad
): load is BroadcastLoad => load.mode === "broadcast"
