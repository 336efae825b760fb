/**
 * One peer in one row, in a process of its own: `node --expose-gc subject.ts PEER ROW CHECKOUT [quick]`. It prints one
 * line of JSON, the least that was measured: nanoseconds of processor time, garbage collection included, or bytes of
 * heap. `quick` measures next to nothing: tests see with it that a peer works.
 */
import { createHash } from "node:crypto"
import { setImmediate as turn, setTimeout } from "node:timers/promises"
import { encodeHeader, encodeMasked, makePayload, repeat } from "../Frames.ts"
import { FakeStream } from "./FakeStream.ts"
import { makeClient, startServer } from "./MicroPeer.ts"
import type { Accept, ClientName, ServerName } from "./MicroPeer.ts"
import { parse } from "./MicroRow.ts"
import type { MicroLoad } from "./MicroRow.ts"
import { messageFor } from "./TypedPeer.ts"

const [peer, rowName, checkout, quick] = process.argv.slice(2) as [string, string, string, string | undefined]

const samples = quick === undefined ? 8 : 1
const sampleMillis = quick === undefined ? 250 : 20
const warmupMillis = quick === undefined ? 1500 : 20
const mask = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d)

const request = Buffer.from(
  "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

// A read of Node brings 64 KiB at the most.
const chunkBytes = 65_536

const cpuNanos = (): number => {
  const { system, user } = process.cpuUsage()
  return (user + system) * 1000
}

/** Runs `work` for some time, a turn of the event loop each, and returns the processor time for each unit of it. */
const measure = async (work: () => number, millis: number): Promise<number> => {
  const until = performance.now() + millis
  const start = cpuNanos()
  let units = 0
  while (performance.now() < until) {
    units += work()
    await turn()
  }
  return (cpuNanos() - start) / units
}

const least = async (work: () => number): Promise<number> => {
  await measure(work, warmupMillis)
  let best = Infinity
  for (let sample = 0; sample < samples; sample++) best = Math.min(best, await measure(work, sampleMillis))
  return best
}

const open = async (accept: Accept): Promise<FakeStream> => {
  const stream = new FakeStream()
  accept(stream)
  stream.feed(request)
  for (let turns = 0; stream.written === 0 && turns < 100; turns++) await turn()
  if (stream.written === 0) throw new Error("the handshake was not answered")
  return stream
}

const echo = async (
  load: Extract<MicroLoad, { readonly mode: "echo" }>,
  payload: Uint8Array = makePayload(load.kind, load.bytes)
): Promise<number> => {
  const frames = repeat(encodeMasked(load.kind, payload, mask), load.depth)
  const echoed = repeat(Buffer.concat([encodeHeader(load.kind, load.bytes), payload]), load.depth)
  const accept = await startServer(peer as ServerName, checkout, echoed)
  const streams: Array<FakeStream> = []
  while (streams.length < load.connections) streams.push(await open(accept))
  const written = (): number => streams.reduce((sum, stream) => sum + stream.written, 0)

  const before = written()
  const inOneTurn = Math.min(64, load.connections)
  let next = 0
  let messages = 0
  // The floor answers each chunk, so it is given one for all of a message.
  const step = peer === "floor" ? frames.length : chunkBytes
  const work = (): number => {
    for (let count = 0; count < inOneTurn; count++) {
      const stream = streams[next]!
      next = (next + 1) % streams.length
      for (let at = 0; at < frames.length; at += step) stream.feed(frames.subarray(at, at + step))
    }
    messages += inOneTurn * load.depth
    return inOneTurn * load.depth
  }
  const nanos = await least(work)
  for (let turns = 0; turns < 100; turns++) await turn()
  const expected = messages * (echoed.length / load.depth)
  if (written() - before !== expected) {
    throw new Error(`${written() - before} bytes came back for ${messages} messages, not ${expected}`)
  }
  return nanos
}

const closeFrame = encodeMaskedClose()

function encodeMaskedClose(): Uint8Array {
  const frame = encodeMasked("binary", Uint8Array.of(0x03, 0xe8), mask)
  frame[0] = 0x88
  return frame
}

const handshakes = async (): Promise<number> => {
  const accept = await startServer(peer as ServerName, checkout, closeFrame)
  return least(() => {
    for (let count = 0; count < 32; count++) {
      const stream = new FakeStream()
      accept(stream)
      stream.feed(request)
      setImmediate(() => {
        if (stream.written === 0) throw new Error("the handshake was not answered in its turn")
        stream.feed(closeFrame)
        stream.feedEnd()
      })
    }
    return 32
  })
}

const accepted = (head: string): Buffer => {
  const key = /^sec-websocket-key: (.*)$/im.exec(head)![1]!.trim()
  const answer = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
  return Buffer.from(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${answer}\r\n\r\n`
  )
}

/**
 * A server to clients: it answers the request, and what follows, which is a close frame, with a close frame and FIN.
 */
const dial = (): FakeStream => {
  const stream = new FakeStream()
  let head = ""
  stream.onWrite = (bytes) => {
    if (head.endsWith("\r\n\r\n")) {
      stream.onWrite = undefined
      queueMicrotask(() => {
        stream.feed(Buffer.from([0x88, 2, 3, 0xe8]))
        stream.feedEnd()
      })
      return
    }
    head += Buffer.from(bytes).toString("latin1")
    if (head.endsWith("\r\n\r\n")) queueMicrotask(() => stream.feed(accepted(head)))
  }
  // Node's HTTP client waits for it.
  queueMicrotask(() => stream.emit("connect"))
  return stream
}

const clientHandshakes = async (): Promise<number> => {
  const visit = await makeClient(peer as ClientName, checkout, dial)
  let underWay = 0
  return least(() => {
    let started = 0
    for (; underWay < 32; started++) {
      underWay++
      visit(() => underWay--)
    }
    return started
  })
}

const idle = async (): Promise<number> => {
  const accept = await startServer(peer as ServerName, checkout, closeFrame)
  const message = encodeMasked("binary", Uint8Array.of(1, 2, 3, 4), mask)
  const held: Array<FakeStream> = []
  const more = async (count: number): Promise<number> => {
    for (let at = 0; at < count; at++) {
      const stream = await open(accept)
      // A connection that was never used is smaller than those of a real server.
      stream.feed(message)
      held.push(stream)
    }
    // Two ticks of the keepalive: connections release what they need only while they are busy.
    if (quick === undefined) await setTimeout(11_000)
    await turn()
    for (const stream of held) stream.last = undefined
    for (let round = 0; round < 5; round++) {
      ;(globalThis as { readonly gc?: () => void }).gc!()
      await turn()
    }
    return process.memoryUsage().heapUsed
  }
  const connections = quick === undefined ? 3000 : 20
  const before = await more(connections / 5)
  return ((await more(connections)) - before) / connections
}

const typed = async (): Promise<number> => {
  const { kind, payload } = await messageFor(peer, checkout)
  return echo({ mode: "echo", connections: 64, depth: 1, bytes: payload.length, kind }, payload)
}

const { load } = parse(rowName)
const runs = { handshakes, idle, "client-handshakes": clientHandshakes, typed }
const value = load.mode === "echo" ? await echo(load) : await runs[load.mode]()
process.stdout.write(`${JSON.stringify({ value })}\n`)
process.exit(0)
