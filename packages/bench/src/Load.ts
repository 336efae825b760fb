/**
 * The load itself: raw TCP sockets that shake hands once and then do as little as possible, so that the server is what
 * gets measured. It runs in a process of its own (see `generator.ts`).
 *
 * All sockets read into one shared buffer (`onread`), so a read allocates nothing; what is sent is a view of bytes
 * prepared before the run; one write answers everything that one read completed.
 */
import * as Net from "node:net"
import { checkAnswer, type Compression, CycleWriter, DeflatedReader, makeCycle, offer } from "./Deflated.ts"
import { EchoReader, encodeHeader, encodeMasked, type Kind, makePayload, repeat } from "./Frames.ts"
import * as Tls from "node:tls"
import { coreSeconds, cpuSeconds } from "./Proc.ts"

/** Where the load goes. */
export interface Target {
  readonly port: number
  /** The server's process, for its processor time. */
  readonly pid: number
  /** The core that the server is pinned to, if it is. */
  readonly core?: number | undefined
  /** Whether it speaks TLS. */
  readonly secure?: boolean | undefined
}

/** Every connection keeps `depth` messages of `bytes` under way. */
export interface EchoLoad {
  readonly mode: "echo"
  readonly connections: number
  readonly depth: number
  readonly bytes: number
  readonly kind: Kind
  /** Whether messages are compressed. They are text that resembles JSON then. */
  readonly compression?: Compression | undefined
  /** Whether the connections are inside TLS. */
  readonly secure?: boolean | undefined
}

/** Connections that are opened and say nothing. */
export interface IdleLoad {
  readonly mode: "idle"
  readonly connections: number
  /** Whether they have echoed one compressed message of 1 KiB before. */
  readonly compression?: Compression | undefined
}

/** Opening handshakes, `connections` of them at a time; each is reset once it is answered. */
export interface HandshakeLoad {
  readonly mode: "handshakes"
  readonly connections: number
}

/** How long a measurement takes, in seconds; the warm-up comes first and does not count. */
export interface Window {
  readonly warmup: number
  readonly seconds: number
}

/** What was counted in the window. */
export interface Throughput {
  /** Messages (or handshakes) completed; for large messages the fraction under way at either end counts too. */
  readonly count: number
  /** The real length of the window. */
  readonly seconds: number
  /** Processor time of the server in the window, all threads. */
  readonly serverCpuSeconds: number | undefined
  /** The share of its core that the server could have had: what no other program, and no neighbour, took. */
  readonly serverGiven: number | undefined
  /** The share of the window in which the generator itself was busy: near 1, the generator is the bottleneck. */
  readonly generatorBusy: number
}

const key = "dGhlIHNhbXBsZSBub25jZQ=="
const accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
/** The masking key of all that is sent. */
export const mask = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d)
const maxHead = 4096
const dialling = 100

/** One buffer for every socket: `onread` hands it over and the bytes are used before the next read. */
export const shared = new Uint8Array(256 * 1024)

/** Who hears of a connection. */
export interface Handlers {
  readonly onOpen: (socket: Net.Socket) => void
  readonly onBytes: (length: number) => void
  readonly onFailure: (error: Error) => void
}

const checkHead = (head: string): void => {
  if (!head.startsWith("HTTP/1.1 101") || !head.includes(accept)) {
    throw new Error(`the server refused the handshake: ${JSON.stringify(head.slice(0, 200))}`)
  }
  if (!head.endsWith("\r\n\r\n")) throw new Error("the server sent bytes right behind the handshake")
}

/** Opens a WebSocket to the target; once it is open, every read is announced by its length in the shared buffer. */
export const dial = (target: Target, handlers: Handlers, compression?: Compression): Net.Socket => {
  let head = ""
  let open = false
  const onBytes = (length: number): boolean => {
    try {
      if (open) {
        handlers.onBytes(length)
        return true
      }
      head += Buffer.from(shared.buffer, 0, length).toString("latin1")
      if (head.length > maxHead) throw new Error(`the response head is longer than ${maxHead} bytes`)
      if (head.includes("\r\n\r\n")) {
        checkHead(head)
        if (compression !== undefined) checkAnswer(head, compression)
        open = true
        head = ""
        handlers.onOpen(socket)
      }
    } catch (error) {
      handlers.onFailure(error as Error)
    }
    return true
  }
  const options = { host: "127.0.0.1", port: target.port, onread: { buffer: shared, callback: onBytes } }
  // The certificate is made for the run, and no client trusts it.
  const socket =
    target.secure === true
      ? Tls.connect({ ...options, rejectUnauthorized: false })
      : Net.connect({ ...options, noDelay: true })
  if (target.secure === true) socket.setNoDelay()
  socket.on(target.secure === true ? "secureConnect" : "connect", () =>
    socket.write(
      `GET / HTTP/1.1\r\nHost: 127.0.0.1:${target.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n` +
        `${compression === undefined ? "" : offer(compression)}\r\n`
    )
  )
  socket.on("error", handlers.onFailure)
  socket.on("end", () => handlers.onFailure(new Error("the server closed a connection")))
  return socket
}

/** Counts over a window: `total` is read at its start and at its end. */
export const measure = (
  target: Pick<Target, "pid" | "core">,
  window: Window,
  total: () => number,
  done: (result: Throughput) => void
): void => {
  const begin = (): void => {
    const started = performance.now()
    const count = total()
    const server = cpuSeconds(target.pid)
    const core = target.core === undefined ? undefined : coreSeconds(target.core)
    const own = process.cpuUsage()
    setTimeout(() => {
      const seconds = (performance.now() - started) / 1000
      const used = process.cpuUsage(own)
      const after = cpuSeconds(target.pid)
      const coreAfter = target.core === undefined ? undefined : coreSeconds(target.core)
      const cpu = server === undefined || after === undefined ? undefined : after - server
      const others =
        cpu === undefined || core === undefined || coreAfter === undefined ? undefined : coreAfter - core - cpu
      done({
        count: total() - count,
        seconds,
        serverCpuSeconds: cpu,
        serverGiven: others === undefined ? undefined : 1 - Math.max(0, others) / seconds,
        generatorBusy: (used.user + used.system) / 1e6 / seconds
      })
    }, window.seconds * 1000)
  }
  setTimeout(begin, window.warmup * 1000)
}

/** Opens connections, at most a hundred at a time, and calls `ready` with all of them. */
export const openAll = (
  target: Target,
  connections: number,
  handle: (index: number) => (length: number) => void,
  onFailure: (error: Error) => void,
  ready: (sockets: ReadonlyArray<Net.Socket>) => void,
  compression?: Compression
): void => {
  const sockets: Array<Net.Socket> = []
  let started = 0
  let opened = 0
  const next = (): void => {
    const index = started++
    const onOpen = (socket: Net.Socket): void => {
      sockets[index] = socket
      if (++opened === connections) ready(sockets)
      else if (started < connections) next()
    }
    dial(target, { onOpen, onBytes: handle(index), onFailure }, compression)
  }
  for (let i = Math.min(dialling, connections); i > 0; i--) next()
}

/** Runs an echo load and gives what was counted. */
export const echo = (target: Target, load: EchoLoad, window: Window): Promise<Throughput> =>
  load.compression === undefined
    ? echoPlain(target, load, window)
    : echoDeflated(target, load, window, load.compression)

const echoDeflated = (target: Target, load: EchoLoad, window: Window, compression: Compression): Promise<Throughput> =>
  new Promise((resolve, reject) => {
    const cycle = makeCycle(load.bytes, compression, mask)
    const readers = Array.from({ length: load.connections }, () => new DeflatedReader(cycle))
    const writers = Array.from({ length: load.connections }, () => new CycleWriter(cycle))
    let count = 0
    let sockets: ReadonlyArray<Net.Socket> = []
    const send = (index: number, count: number): void =>
      writers[index]!.next(count, (bytes) => void sockets[index]!.write(bytes))
    const handle = (index: number) => (length: number) => {
      const completed = readers[index]!.read(shared, length)
      count += completed
      if (completed > 0) send(index, completed)
    }
    const ready = (opened: ReadonlyArray<Net.Socket>): void => {
      sockets = opened
      for (const index of opened.keys()) send(index, load.depth)
      measure(target, window, () => count, resolve)
    }
    openAll(target, load.connections, handle, reject, ready, compression)
  })

const echoPlain = (target: Target, load: EchoLoad, window: Window): Promise<Throughput> =>
  new Promise((resolve, reject) => {
    const payload = makePayload(load.kind, load.bytes)
    const frame = encodeMasked(load.kind, payload, mask)
    // Small frames are laid out side by side and sent as views of one another; large ones go out one by one.
    const together = Math.max(1, Math.min(load.depth, Math.floor(65536 / frame.length)))
    const block = repeat(frame, together)
    const views = Array.from({ length: together + 1 }, (_, n) => block.subarray(0, n * frame.length))
    const echoLength = encodeHeader(load.kind, load.bytes).length + load.bytes
    const readers = Array.from({ length: load.connections }, () => new EchoReader("server", load.kind, payload))
    let bytes = 0
    let sockets: ReadonlyArray<Net.Socket> = []
    const send = (socket: Net.Socket, count: number): void => {
      while (count > together) {
        socket.write(block)
        count -= together
      }
      if (count > 0) socket.write(views[count]!)
    }
    const handle = (index: number): ((length: number) => void) => {
      const reader = readers[index]!
      return (length) => {
        bytes += length
        const completed = reader.read(shared, length)
        if (completed > 0) send(sockets[index]!, completed)
      }
    }
    openAll(target, load.connections, handle, reject, (opened) => {
      sockets = opened
      for (const socket of opened) send(socket, load.depth)
      // Bytes, not frames: what has come of a frame that is still under way counts as its fraction.
      measure(target, window, () => bytes / echoLength, resolve)
    })
  })

/**
 * Opens idle connections and resolves once all are open, and have echoed what they are to echo; they stay open as long
 * as the process lives.
 */
export const idle = (target: Target, load: IdleLoad): Promise<void> =>
  new Promise((resolve, reject) => {
    const { compression } = load
    if (compression === undefined) {
      const handle = () => () => reject(new Error("the server sent bytes on an idle connection"))
      return openAll(target, load.connections, handle, reject, () => resolve())
    }
    const cycle = makeCycle(1024, compression, mask)
    const readers = Array.from({ length: load.connections }, () => new DeflatedReader(cycle))
    let echoed = 0
    const handle = (index: number) => (length: number) => {
      echoed += readers[index]!.read(shared, length)
      if (echoed === load.connections) resolve()
    }
    const ready = (sockets: ReadonlyArray<Net.Socket>): void => {
      for (const socket of sockets) new CycleWriter(cycle).next(1, (bytes) => void socket.write(bytes))
    }
    openAll(target, load.connections, handle, reject, ready, compression)
  })

/** Shakes hands over and over and gives the number of handshakes. */
export const handshakes = (target: Target, load: HandshakeLoad, window: Window): Promise<Throughput> =>
  new Promise((resolve, reject) => {
    let completed = 0
    let stopped = false
    const fail = (error: Error): void => {
      if (!stopped) reject(error)
    }
    const next = (): void => {
      dial(target, {
        onOpen: (socket) => {
          completed++
          // A reset leaves nothing in TIME_WAIT, where some ten thousand handshakes would use up the local ports.
          socket.resetAndDestroy()
          if (!stopped) next()
        },
        onBytes: () => fail(new Error("the server sent bytes behind the handshake")),
        onFailure: fail
      })
    }
    for (let i = load.connections; i > 0; i--) next()
    measure(
      target,
      window,
      () => completed,
      (result) => {
        stopped = true
        resolve(result)
      }
    )
  })

/** Visits to a server: each connects, has one compressed message echoed, and leaves. */
export interface Visits {
  readonly count: number
  /** How many there are at a time. */
  readonly atOnce: number
  readonly compression: Compression
}

/** A close frame with 1000. */
export const closing = Uint8Array.of(0x88, 0x82, ...mask, 0x03 ^ mask[0]!, 0xe8 ^ mask[1]!)

/** Makes visits. One in two says goodbye and waits for the answer; the others reset the connection. */
export const visit = (target: Target, { atOnce, compression, count }: Visits): Promise<void> =>
  new Promise((resolve, reject) => {
    const cycle = makeCycle(1024, compression, mask)
    let started = 0
    let left = 0
    const next = (): void => {
      if (started === count) return
      const polite = started++ % 2 === 0
      const reader = new DeflatedReader(cycle)
      let echoed = false
      const leave = (): void => {
        // A reset leaves nothing in TIME_WAIT.
        socket.resetAndDestroy()
        if (++left === count) resolve()
        else next()
      }
      const onBytes = (length: number): void => {
        if (echoed) return leave()
        echoed = reader.read(shared, length) === 1
        if (!echoed) return
        if (polite) socket.write(closing)
        else leave()
      }
      const onOpen = (): void => new CycleWriter(cycle).next(1, (bytes) => void socket.write(bytes))
      const socket = dial(target, { onOpen, onBytes, onFailure: reject }, compression)
    }
    for (let i = Math.min(atOnce, count); i > 0; i--) next()
  })
