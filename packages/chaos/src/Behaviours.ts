/**
 * What peers do, one function each. Those that keep the rules, however slowly, check that they get what is theirs;
 * those that break them check that the server ends it. A behaviour that returns was answered as it should be.
 */
import type { Random } from "./Random.ts"
import { closePayload, frame, pause, RawPeer, request } from "./RawPeer.ts"
import type { Target } from "./RawPeer.ts"

export type Behaviour = (target: Target, random: Random) => Promise<void>

const TEXT = 1
const BINARY = 2
const CLOSE = 8
const PING = 9
const PONG = 10

const partOf = (bytes: Buffer | string, random: Random): Buffer => {
  const whole = Buffer.from(bytes as Buffer)
  return whole.subarray(0, 1 + random.below(whole.length - 1))
}

const message = (random: Random, most: number): Buffer => Buffer.alloc(1 + random.below(most), 0x61 + random.below(26))

/** Reads the echo of `sent`, whatever comes in between, at `bytesPerMillisecond` at most. */
const expectEcho = async (peer: RawPeer, sent: Buffer, bytesPerMillisecond = Infinity): Promise<void> => {
  const pieces: Array<Buffer> = []
  for (;;) {
    const { fin, opcode, payload } = await peer.readFrame((bytes) => pause(bytes / bytesPerMillisecond))
    if (opcode === PING) peer.write(frame(PONG, payload))
    if (opcode === CLOSE) throw new Error(`closed with ${payload.length < 2 ? "no code" : payload.readUInt16BE(0)}`)
    if (opcode >= CLOSE) continue
    pieces.push(payload)
    if (fin) break
  }
  const echoed = Buffer.concat(pieces)
  if (!echoed.equals(sent)) throw new Error(`an echo of ${echoed.length} bytes is not what was sent (${sent.length})`)
}

const closeNormally = async (peer: RawPeer): Promise<void> => {
  peer.write(frame(CLOSE, closePayload(1000)))
  for (;;) {
    const { opcode, payload } = await peer.readFrame()
    if (opcode !== CLOSE) continue
    if (payload.readUInt16BE(0) !== 1000) throw new Error(`1000 was answered with ${payload.readUInt16BE(0)}`)
    return peer.untilEnded()
  }
}

const converse: Behaviour = async (target, random) => {
  const peer = await RawPeer.open(target)
  for (let count = 1 + random.below(8); count > 0; count--) {
    const sent = message(random, random.pick([16, 1000, 100_000]))
    const cut = random.below(sent.length)
    await peer.trickle(
      random.below(2) === 0
        ? frame(TEXT, sent)
        : Buffer.concat([
            frame(BINARY, sent.subarray(0, cut), { fin: false }),
            frame(PING, Buffer.from("between")),
            frame(0, sent.subarray(cut))
          ]),
      random
    )
    await expectEcho(peer, sent)
  }
  await closeNormally(peer)
}

// More than the system's buffers hold, at a rate at which it takes twice as long as keepalive allows for silence. The
// peer answers pings, which it finds behind what it has not read yet. The system reports room in steps of 1.5 MB on
// loopback, so a much slower peer would look stalled.
const readSlowly: Behaviour = async (target) => {
  const peer = await RawPeer.open(target)
  const sent = Buffer.alloc(1_000_000, 0x7a)
  const count = 16
  for (let at = 0; at < count; at++) peer.write(frame(BINARY, sent))
  for (let at = 0; at < count; at++) {
    await expectEcho(peer, sent, 1000).catch((error: Error) => {
      throw new Error(`after ${at} of ${count} echoes: ${error.message}`)
    })
  }
  await closeNormally(peer)
}

const burst: Behaviour = async (target, random) => {
  const peer = await RawPeer.open(target)
  const sent = message(random, 60)
  const count = 1500
  await peer.send(Buffer.concat(Array.from({ length: count }, () => frame(TEXT, sent))))
  for (let at = 0; at < count; at++) await expectEcho(peer, sent)
  await closeNormally(peer)
}

const resetBeforeAnything: Behaviour = async (target) => (await RawPeer.connectPlain(target)).reset()

const resetInHead: Behaviour = async (target, random) => {
  const peer = await RawPeer.connect(target)
  await peer.trickle(partOf(request(), random), random)
  peer.reset()
}

const resetInFrame: Behaviour = async (target, random) => {
  const peer = await RawPeer.open(target)
  await peer.trickle(partOf(frame(BINARY, message(random, 50_000)), random), random)
  peer.reset()
}

const resetWhileWrittenTo: Behaviour = async (target, random) => {
  const peer = await RawPeer.open(target)
  for (let count = 4; count > 0; count--) peer.write(frame(BINARY, message(random, 100_000)))
  await pause(random.below(20))
  peer.reset()
}

const stallInTls: Behaviour = async (target, random) => {
  const peer = await RawPeer.connectPlain(target)
  // The start of a ClientHello, or of a request where there is no TLS.
  peer.write(target.transport === "tls" ? Buffer.from([0x16, 3, 1, 2, 0, 1]) : partOf(request(), random))
  await peer.untilEnded()
}

const stallInHead: Behaviour = async (target, random) => {
  const peer = await RawPeer.connect(target)
  peer.write(partOf(request(), random))
  await peer.untilEnded()
}

const stallInMessage: Behaviour = async (target, random) => {
  const peer = await RawPeer.open(target)
  await peer.trickle(partOf(frame(BINARY, message(random, 5000)), random), random)
  await peer.untilEnded()
}

const stallInSilence: Behaviour = async (target) => (await RawPeer.open(target)).untilEnded()

const halfCloseInHead: Behaviour = async (target, random) => {
  const peer = await RawPeer.connect(target)
  peer.socket.end(partOf(request(), random))
  await peer.untilEnded()
}

const halfCloseInMessage: Behaviour = async (target, random) => {
  const peer = await RawPeer.open(target)
  peer.socket.end(partOf(frame(TEXT, message(random, 5000)), random))
  await peer.untilEnded()
}

const halfCloseBehindMessages: Behaviour = async (target, random) => {
  const peer = await RawPeer.open(target)
  const sent = message(random, 1000)
  peer.socket.end(Buffer.concat([frame(TEXT, sent), frame(TEXT, sent)]))
  await peer.untilEnded()
}

const floodWithPings: Behaviour = async (target, random) => {
  const peer = await RawPeer.open(target)
  const pings = Buffer.concat(Array.from({ length: 2000 }, (_, at) => frame(PING, Buffer.from(String(at)))))
  await peer.send(pings)
  const sent = message(random, 100)
  peer.write(frame(TEXT, sent))
  await expectEcho(peer, sent)
  await closeNormally(peer)
}

const floodAndNeverRead: Behaviour = async (target) => {
  const peer = await RawPeer.open(target)
  const sent = frame(BINARY, Buffer.alloc(60_000, 0x66))
  // Until the server takes no more: its own output is stuck, so it stops reading.
  for (let count = 0; count < 1000 && peer.socket.writableLength < 1_000_000; count++) {
    peer.write(sent)
    await pause(1)
  }
  await peer.untilDropped()
}

const closeAndStay: Behaviour = async (target) => {
  const peer = await RawPeer.open(target)
  peer.write(frame(CLOSE, closePayload(1000)))
  await peer.untilEnded()
}

const neverAnswerClose: Behaviour = async (target) => {
  const peer = await RawPeer.open(target)
  // A reserved opcode: the server closes with 1002 and waits for an answer that does not come.
  peer.write(frame(3, Buffer.alloc(0)))
  await peer.untilEnded()
}

const garbageAtConnect: Behaviour = async (target, random) => {
  const peer = await RawPeer.connectPlain(target)
  peer.write(random.bytes(200))
  peer.write("\r\n\r\n")
  await peer.untilEnded()
}

const garbageInsteadOfFrames: Behaviour = async (target, random) => {
  const peer = await RawPeer.open(target)
  // The unmasked first frame alone breaks a rule.
  peer.write(Buffer.concat([Buffer.from([0x81, 0x05]), random.bytes(300)]))
  await peer.untilEnded()
}

const garbageCompressed: Behaviour = async (target, random) => {
  const peer = await RawPeer.open(target, "Sec-WebSocket-Extensions: permessage-deflate\r\n")
  // Block type 3 does not exist.
  peer.write(frame(BINARY, Buffer.concat([Buffer.from([0x07]), random.bytes(100)]), { rsv1: true }))
  await peer.untilEnded()
}

/** All of them by name; weights say how often each is chosen. */
export const behaviours: ReadonlyArray<{ readonly name: string; readonly weight: number; readonly run: Behaviour }> = [
  { name: "converse", weight: 6, run: converse },
  { name: "read slowly", weight: 1, run: readSlowly },
  { name: "burst of 1500 messages", weight: 1, run: burst },
  { name: "reset before anything", weight: 3, run: resetBeforeAnything },
  { name: "reset in the head", weight: 3, run: resetInHead },
  { name: "reset in a frame", weight: 3, run: resetInFrame },
  { name: "reset while written to", weight: 3, run: resetWhileWrittenTo },
  { name: "stall before the head", weight: 2, run: stallInTls },
  { name: "stall in the head", weight: 2, run: stallInHead },
  { name: "stall in a message", weight: 2, run: stallInMessage },
  { name: "stall in silence", weight: 2, run: stallInSilence },
  { name: "half-close in the head", weight: 2, run: halfCloseInHead },
  { name: "half-close in a message", weight: 2, run: halfCloseInMessage },
  { name: "half-close behind messages", weight: 2, run: halfCloseBehindMessages },
  { name: "flood with pings", weight: 2, run: floodWithPings },
  { name: "flood and never read", weight: 2, run: floodAndNeverRead },
  { name: "close and stay", weight: 2, run: closeAndStay },
  { name: "never answer a close", weight: 2, run: neverAnswerClose },
  { name: "garbage at connect", weight: 2, run: garbageAtConnect },
  { name: "garbage instead of frames", weight: 2, run: garbageInsteadOfFrames },
  { name: "garbage compressed", weight: 2, run: garbageCompressed }
]

const urn = behaviours.flatMap((behaviour) => Array.from({ length: behaviour.weight }, () => behaviour))

/** Chooses one by weight. */
export const choose = (random: Random): (typeof behaviours)[number] => random.pick(urn)
