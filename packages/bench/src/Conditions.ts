/**
 * The conditions of a measurement over sockets.
 */
import type { Window } from "./Load.ts"
import type { Pinning } from "./Pinning.ts"

/** How a sample is taken. */
export interface Conditions {
  readonly window: Window
  readonly pinning: Pinning | undefined
}
