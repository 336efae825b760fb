/** What Redis answers, as values. */
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import type { Position } from "../Position.ts"
import type { Entry } from "./LogTypes.ts"
import type { Segment } from "./Lineage.ts"
import { sizeOf } from "./sizeOf.ts"
import type { RawEntry } from "./RedisScripts.ts"

/** Parses a stream ID. */
export const parseId = (id: string): Position => {
  const at = id.indexOf("-")
  return { epoch: Number(id.slice(0, at)), offset: Number(id.slice(at + 1)) }
}

/** Writes a stream ID. */
export const formatId = ({ epoch, offset }: Position): string => `${epoch}-${offset}`

/** Parses the segments of a log. */
export const parseSegments = (text: string): ReadonlyArray<Segment> =>
  text.split(",").map((part) => {
    const [epoch, start] = part.split(":")
    return { epoch: Number(epoch), start: Number(start) }
  })

/** The fields that the scripts write, in this order: time, data, kind, id, and in live streams topic and position. */
export const toEntry = (topic: string, position: Position, fields: ReadonlyArray<string>): Entry => {
  const text = fields[3]!
  const data = fields[5] === "b" ? Result.getOrThrow(Base64.decode(text)) : text
  return { _tag: "Entry", topic, position, data, id: fields[7]!, at: Number(fields[1]), size: sizeOf(data) }
}

/** Parses an entry of a live stream. */
export const toLiveEntry = ([, fields]: RawEntry): Entry => toEntry(fields[9]!, parseId(fields[11]!), fields)

/**
 * Returns the streams of an `XREAD`, which clients give as pairs, as a Map or as an object, and as null when it timed
 * out.
 */
export const streamsOf = (reply: unknown): ReadonlyArray<readonly [key: string, entries: ReadonlyArray<RawEntry>]> => {
  if (reply === null || reply === undefined) return []
  if (reply instanceof Map) return [...(reply as Map<string, ReadonlyArray<RawEntry>>)]
  if (!Array.isArray(reply)) return Object.entries(reply as Record<string, ReadonlyArray<RawEntry>>)
  if (typeof reply[0] !== "string") return reply as ReadonlyArray<readonly [string, ReadonlyArray<RawEntry>]>
  // A map as one flat array.
  return Array.from({ length: reply.length / 2 }, (_, at) => [reply[2 * at], reply[2 * at + 1]] as const)
}
