/**
 * A topic that is followed on this node: its newest entries, for all of its readers. The ring is a cache and the log is
 * the truth: where the ring does not lead on from a reader's position, the reader reads the log. So the feed holds
 * nothing for a reader, however far it is behind, and a hole or a lost delivery costs a read and no entry.
 */
import type { Position } from "../Position.ts"
import type { Entry } from "./LogTypes.ts"
import type { EntrySink } from "./Engine.ts"
import { resumeAll } from "./resumeAll.ts"

/** Bounds of a feed. */
export interface FeedLimits {
  readonly recentEntries: number
  readonly recentBytes: number
  readonly pageEntries: number
  readonly pageBytes: number
}

/** What a reader does next: deliver these entries of the ring, read the log, or wait. */
export type Step = ReadonlyArray<Entry> | "read" | "wait"

export class TopicFeed implements EntrySink {
  readonly topic: string
  /** How many readers there are. */
  readers = 0
  /** Changes where readers must check their positions against the log. */
  generation = 0
  private head: Position | undefined = undefined
  // All of one epoch, without holes, up to the head.
  private ring: Array<Entry> = []
  private bytes = 0
  private readonly waiting = new Set<() => void>()
  private readonly limits: FeedLimits

  constructor(topic: string, limits: FeedLimits) {
    this.topic = topic
    this.limits = limits
  }

  deliver(entry: Entry): void {
    const { head } = this
    const { epoch, offset } = entry.position
    if (head !== undefined && (epoch < head.epoch || (epoch === head.epoch && offset <= head.offset))) return
    if (head === undefined || epoch !== head.epoch || offset !== head.offset + 1) this.restart()
    this.head = entry.position
    this.ring.push(entry)
    this.bytes += entry.size
    let drop = 0
    while (this.ring.length - drop > this.limits.recentEntries || this.bytes > this.limits.recentBytes) {
      const oldest = this.ring[drop]
      if (oldest === undefined) break
      this.bytes -= oldest.size
      drop++
    }
    if (drop > 0) this.ring.splice(0, drop)
    this.wake()
  }

  compare(head: Position): void {
    if (this.head !== undefined && head.epoch === this.head.epoch && head.offset === this.head.offset) return
    this.restart()
    this.head = head
    this.wake()
  }

  /** Begins with the head that the log has, and with the entries that lead up to it. */
  begin(start: Position, entries: ReadonlyArray<Entry>): void {
    this.head ??= start
    const { head, ring } = this
    const last = entries.at(-1)?.position
    if (ring.length > 0 || head === undefined || last === undefined) return
    if (last.epoch !== head.epoch || last.offset !== head.offset) return
    for (const entry of entries) {
      if (entry.position.epoch !== head.epoch) continue
      ring.push(entry)
      this.bytes += entry.size
    }
  }

  /**
   * Returns what a reader does next that has everything up to `after`, and checked it against the log in `generation`.
   */
  next(after: Position, generation: number): Step {
    const { head, ring } = this
    if (head === undefined) return "wait"
    const behind = head.offset - after.offset
    if (after.epoch === head.epoch && behind >= 0 && behind <= ring.length) {
      return behind === 0 ? "wait" : this.slice(ring.length - behind)
    }
    if (generation !== this.generation) return "read"
    // A reader of the log may be ahead of what was delivered here.
    return after.epoch > head.epoch || (after.epoch === head.epoch && behind < 0) ? "wait" : "read"
  }

  /** The newest position that this node knows. */
  get position(): Position | undefined {
    return this.head
  }

  /** Calls `resume` once, when there may be more. The returned function cancels that. */
  onceMore(resume: () => void): () => void {
    this.waiting.add(resume)
    return () => this.waiting.delete(resume)
  }

  private slice(start: number): ReadonlyArray<Entry> {
    const { pageBytes, pageEntries } = this.limits
    let end = start
    let bytes = 0
    while (end < this.ring.length && end - start < pageEntries) {
      bytes += this.ring[end]!.size
      if (bytes > pageBytes && end > start) break
      end++
    }
    return this.ring.slice(start, end)
  }

  private restart(): void {
    this.generation++
    this.ring = []
    this.bytes = 0
  }

  private wake(): void {
    if (this.waiting.size === 0) return
    const waiting = [...this.waiting]
    this.waiting.clear()
    resumeAll(waiting)
  }
}
