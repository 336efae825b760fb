/**
 * The two Lua scripts, and the keys that they work on. A script is one atomic step of Redis, so a log and all that
 * belongs to it (the live stream of its shard, the publishers' ids, what was trimmed) never disagree.
 *
 * A topic is a stream whose IDs are `<epoch>-<offset>`, and a hash with what the stream cannot say: the `run` of Redis
 * that wrote last, the `segments` of the log, and the highest offset that `expired`. Epochs are part of the stream's
 * IDs, so they cannot be evicted apart from it; where the hash is missing the log begins anew.
 *
 * Redis came back with other data exactly when its `run_id` changed: the next append begins a new epoch, which
 * continues the offsets, and records where it began.
 */
import * as Redis from "effect/persistence/Redis"

/** The keys of one log. All keys of a shard have one hash tag, before the name, which may have braces itself. */
export interface TopicKeys {
  readonly stream: string
  readonly meta: string
  readonly live: string
}

/** Names the keys of a deployment. */
export class Keys {
  readonly shards: number
  private readonly prefix: string

  constructor(prefix: string, shards: number) {
    this.prefix = prefix
    this.shards = shards
  }

  shardOf(topic: string): number {
    // FNV-1a over UTF-16, the same on every node.
    let hash = 0x811c9dc5
    for (let at = 0; at < topic.length; at++) hash = Math.imul(hash ^ topic.charCodeAt(at), 0x01000193)
    return (hash >>> 0) % this.shards
  }

  live(shard: number): string {
    return `{${this.prefix}:${shard}}:live`
  }

  topic(topic: string): TopicKeys {
    const shard = this.shardOf(topic)
    const tag = `{${this.prefix}:${shard}}`
    return { stream: `${tag}:log:${topic}`, meta: `${tag}:meta:${topic}`, live: this.live(shard) }
  }

  id(topic: string, publisher: string, id: string): string {
    // Lengths first, so that no two triples have one key.
    return `{${this.prefix}:${this.shardOf(topic)}}:id:${topic.length}:${publisher.length}:${topic}${publisher}${id}`
  }

  wake(node: string): string {
    return `{${this.prefix}:wake}:${node}`
  }
}

// KEYS: stream, meta. Sets: now (microseconds), ms, run, epoch, offset, segments.
const open = `
local stream, meta = KEYS[1], KEYS[2]
local maxAge, keep = tonumber(ARGV[1]), ARGV[2]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local ms = math.floor(now / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local function text(number) return string.format('%.0f', number) end
local function split(id)
  local a, b = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(a), tonumber(b)
end
local function lastOf(key)
  local newest = redis.call('XREVRANGE', key, '+', '-', 'COUNT', '1')
  if #newest > 0 then return split(newest[1][1]) end
  if redis.call('EXISTS', key) == 0 then return nil end
  local info = redis.call('XINFO', 'STREAM', key)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return split(info[i + 1]) end
  end
end
local epoch, offset = lastOf(stream)
local segments = redis.call('HGET', meta, 'segments')
if not epoch or not segments then
  local before = epoch or 0
  if segments then before = tonumber(string.match(segments, '(%d+):%d+$')) end
  epoch, offset = math.max(now, before + 1), 0
  segments = text(epoch) .. ':0'
  redis.call('DEL', stream, meta)
  redis.call('XADD', stream, text(epoch) .. '-0', 't', '0')
  redis.call('XTRIM', stream, 'MAXLEN', '0')
  redis.call('HSET', meta, 'run', run, 'segments', segments, 'expired', '0')
end
redis.call('PEXPIRE', stream, keep)
redis.call('PEXPIRE', meta, keep)
local batch = '1'
while true do
  local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', batch)
  local last
  for _, entry in ipairs(oldest) do
    if tonumber(entry[2][2]) >= ms - maxAge then break end
    last = entry[1]
  end
  if not last then break end
  local e, o = split(last)
  redis.call('XTRIM', stream, 'MINID', text(e) .. '-' .. text(o + 1))
  redis.call('HSET', meta, 'expired', text(o))
  batch = '64'
end
`

const appendLua = `${open}
local live, idKey = KEYS[3], KEYS[4]
local maxEntries, idWindow, liveEntries = ARGV[3], ARGV[4], ARGV[5]
local topic, id, kind, data = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local known = redis.call('GET', idKey)
if known then return { known, 1 } end
if redis.call('HGET', meta, 'run') ~= run then
  epoch = math.max(now, epoch + 1)
  segments = segments .. ',' .. text(epoch) .. ':' .. text(offset)
  local _, count = string.gsub(segments, ',', ',')
  if count >= 32 then segments = string.gsub(segments, '^[^,]*,', '') end
  redis.call('HSET', meta, 'run', run, 'segments', segments)
end
offset = offset + 1
local position = text(epoch) .. '-' .. text(offset)
redis.call('XADD', stream, position, 't', text(ms), 'd', data, 'k', kind, 'i', id)
redis.call('XTRIM', stream, 'MAXLEN', maxEntries)
redis.call('SET', idKey, position, 'PX', idWindow)
local liveEpoch, number = lastOf(live)
if redis.call('GET', live .. ':run') ~= run or not liveEpoch then
  liveEpoch, number = math.max(now, (liveEpoch or 0) + 1), 0
  redis.call('SET', live .. ':run', run)
end
redis.call('XADD', live, 'MAXLEN', '~', liveEntries, text(liveEpoch) .. '-' .. text(number + 1),
  't', text(ms), 'd', data, 'k', kind, 'i', id, 'n', topic, 'p', position)
redis.call('PEXPIRE', live, keep)
redis.call('PEXPIRE', live .. ':run', keep)
return { position, 0 }
`

const readLua = `${open}
local from, limit, maxBytes = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local first = ''
local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', '1')
if #oldest > 0 then first = oldest[1][1] end
local entries, bytes, left = {}, 0, limit
while left > 0 do
  local count = math.min(left, 32)
  local some = redis.call('XRANGE', stream, from, '+', 'COUNT', text(count))
  for _, entry in ipairs(some) do
    bytes = bytes + #entry[2][4]
    if bytes > maxBytes and #entries > 0 then
      left = 0
      break
    end
    entries[#entries + 1] = entry
    from = '(' .. entry[1]
  end
  if #some < count then break end
  left = left - count
end
return { text(epoch) .. '-' .. text(offset), segments, first, redis.call('HGET', meta, 'expired'), entries }
`

/** The parameters of an append. */
export interface AppendParameters extends TopicKeys {
  readonly idKey: string
  readonly maxAge: number
  readonly keep: number
  readonly maxEntries: number
  readonly idWindow: number
  readonly liveEntries: number
  readonly topic: string
  readonly id: string
  readonly kind: "t" | "b"
  readonly data: string
}

/** Appends an entry, or finds that its id is known: the position, and 1 where it was known. */
export const append = Redis.script(
  (parameters: AppendParameters) => [
    parameters.stream,
    parameters.meta,
    parameters.live,
    parameters.idKey,
    parameters.maxAge,
    parameters.keep,
    parameters.maxEntries,
    parameters.idWindow,
    parameters.liveEntries,
    parameters.topic,
    parameters.id,
    parameters.kind,
    parameters.data
  ],
  { lua: appendLua, numberOfKeys: 4 }
).withReturnType<readonly [position: string, isKnown: number]>()

/** The parameters of a read. */
export interface ReadParameters {
  readonly keys: TopicKeys
  readonly maxAge: number
  readonly keep: number
  /** `-`, or `(` and an ID. */
  readonly from: string
  readonly entries: number
  readonly bytes: number
}

/** A stream entry: its ID, and its fields and values. */
export type RawEntry = readonly [id: string, fields: ReadonlyArray<string>]

/** Reads the state of a log, and entries behind an ID. */
export const read = Redis.script(
  ({ bytes, entries, from, keep, keys, maxAge }: ReadParameters) => [
    keys.stream,
    keys.meta,
    maxAge,
    keep,
    from,
    entries,
    bytes
  ],
  { lua: readLua, numberOfKeys: 2 }
).withReturnType<
  readonly [head: string, segments: string, first: string, expired: string, entries: ReadonlyArray<RawEntry>]
>()
