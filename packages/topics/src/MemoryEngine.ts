/**
 * The engine that keeps logs in memory. For a program it is the default of `TopicLog.layerMemory`; for tests it is an
 * engine that several nodes share and that can fail on demand: go away, come back with older data, lose everything.
 *
 * @since 0.1.0
 */
import { MemoryLogs } from "./internal/MemoryLogs.ts"
import type { MemoryEngine } from "./internal/MemoryLogs.ts"

export type { MemoryEngine } from "./internal/MemoryLogs.ts"

/**
 * Creates an engine.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): MemoryEngine => new MemoryLogs()
