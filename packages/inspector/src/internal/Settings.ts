/** The options of an inspector, with their defaults filled in. */
import type { LogBounds } from "./FrameLog.ts"

/** The options of `Inspector.layer`, checked. */
export interface Settings {
  readonly frames: "selected" | "all"
  readonly payloads: "none" | "preview" | "full"
  readonly bounds: LogBounds
  readonly previewBytes: number
  readonly maxLogs: number
  readonly maxConnections: number
  readonly maxClosed: number
  readonly maxRefusals: number
  /** Names of header fields, in lower case. */
  readonly redact: ReadonlySet<string>
}
