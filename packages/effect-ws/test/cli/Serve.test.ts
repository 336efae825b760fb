import { FrameParser, Opcode } from "@effect-ws/protocol"
import type { Frame } from "@effect-ws/protocol"
import { assert, describe, it } from "@effect/vitest"
import * as DemoPage from "effect-ws/page/DemoPage"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { existsSync, readFileSync } from "node:fs"
import * as Net from "node:net"
import * as Tls from "node:tls"
import * as Certificates from "../support/Certificates.ts"
import * as Client from "../support/Client.ts"
import * as ServeProcess from "../support/ServeProcess.ts"

const get = (port: number, path: string, method = "GET"): Effect.Effect<string> =>
  Client.exchange(Net.connect(port, "127.0.0.1"), `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)

/** Gives the head of the answer to a handshake. */
const shake = (port: number, path: string, ...headers: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.callback((resume) => {
    const stream = Net.connect(port, "127.0.0.1", () => stream.write(Client.upgrade(path, ...headers)))
    stream.once("data", (head) => {
      stream.destroy()
      resume(Effect.succeed(head.toString("latin1")))
    })
  })

describe("serve", { timeout: 30_000 }, () => {
  it.live("says where it listens whatever the log level, and logs to standard error", () =>
    Effect.gen(function* () {
      const silent = yield* ServeProcess.serve("--port", "0", "--log-level", "none")
      assert.match(silent.address, /^ws:\/\/127\.0\.0\.1:[1-9]\d*$/)
      const talking = yield* ServeProcess.serve("--port", "0", "--log-level", "debug", "--host", "localhost")
      assert.match(talking.address, /^ws:\/\/(127\.0\.0\.1|\[::1\]):[1-9]\d*$/)
      yield* Client.open(talking.address)
      yield* talking.logged(/Connected: \//)
      yield* silent.signal("SIGTERM")
      yield* talking.signal("SIGTERM")
      const first = yield* silent.ended
      assert.deepStrictEqual([first.stdout, first.stderr], [`listening on ${silent.address}\n`, ""])
      const second = yield* talking.ended
      assert.strictEqual(second.stdout, `listening on ${talking.address}\n`)
      for (const said of ["Listening on", "Draining", "Stopped"]) assert.include(second.stderr, said)
    })
  )

  it.live.each(["fiber", "queue"])("echoes text and bytes in order (--server %s)", (variant) =>
    Effect.gen(function* () {
      const { address } = yield* ServeProcess.serve("--port", "0", "--server", variant)
      const client = yield* Client.open(address)
      const sent = ["Grüße", new Uint8Array([0, 127, 128, 255]), "", new Uint8Array(100_000).fill(7)]
      for (const message of sent) yield* client.send(message)
      for (const message of sent) assert.deepStrictEqual(yield* client.receive, message)
    })
  )

  it.live("shows its connections at an address with a token, where asked to", () =>
    Effect.gen(function* () {
      const { address, inspector, port } = yield* ServeProcess.serveInspected("--port", "0", "--inspect", "0")
      assert.match(inspector, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{24}\/$/)
      yield* Client.open(`${address}/chat`)
      const url = new URL(inspector)
      assert.notStrictEqual(Number(url.port), port)
      assert.match(yield* get(Number(url.port), url.pathname), /^HTTP\/1\.1 200 [^]*<title>Inspector/)
      assert.match(yield* get(Number(url.port), "/"), /^HTTP\/1\.1 403 [^]*the token is missing or wrong/)
      assert.match(yield* shake(Number(url.port), `${url.pathname}socket`), /^HTTP\/1\.1 101 /)
    })
  )

  it.live("serves the page to GET and HEAD, 404 elsewhere, and refuses the rest as a handshake", () =>
    Effect.gen(function* () {
      const { port } = yield* ServeProcess.serve("--port", "0")
      const page = yield* get(port, "/?theme=dark")
      assert.isTrue(page.startsWith("HTTP/1.1 200 "), page.slice(0, 100))
      assert.strictEqual(Buffer.from(page.split("\r\n\r\n")[1]!, "latin1").toString(), DemoPage.html)
      const head = yield* get(port, "/", "HEAD")
      assert.strictEqual(head, `${page.split("\r\n\r\n")[0]}\r\n\r\n`)
      assert.match(
        yield* get(port, "/favicon.ico"),
        /^HTTP\/1\.1 404 [^]*Content-Length: 31\r\n[^]*\r\n\r\nnothing is served/
      )
      assert.match(yield* get(port, "/", "POST"), /^HTTP\/1\.1 405 /)
      const other = (upgrade: string, host = "Host: localhost\r\n") =>
        Client.exchange(
          Net.connect(port, "127.0.0.1"),
          `GET / HTTP/1.1\r\n${host}Connection: upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`
        )
      assert.match(yield* other("h2c"), /^HTTP\/1\.1 200 /)
      assert.match(yield* other("h2c", ""), /^HTTP\/1\.1 400 /)
      assert.match(yield* other("websocket"), /^HTTP\/1\.1 426 /)
    })
  )

  it.live("lets in whom its flags name", () =>
    Effect.gen(function* () {
      const flags = "--path /chat --path /news --subprotocol v2 --subprotocol v1"
      const origins = "--origin https://example.com --origin http://localhost:3000"
      const { port } = yield* ServeProcess.serve("--port", "0", ...`${flags} ${origins}`.split(" "))
      const accepted = yield* shake(port, "/chat", "Sec-WebSocket-Protocol: v1, v2")
      assert.match(accepted, /^HTTP\/1\.1 101 [^]*\r\nSec-WebSocket-Protocol: v2\r\n/)
      assert.match(yield* shake(port, "/news?x", "Origin: https://example.com"), /^HTTP\/1\.1 101 /)
      assert.match(yield* shake(port, "/chat", "Origin: http://localhost:3000"), /^HTTP\/1\.1 101 /)
      assert.match(yield* shake(port, "/chat", "Origin: http://example.com"), /^HTTP\/1\.1 403 /)
      assert.match(yield* shake(port, "/"), /^HTTP\/1\.1 404 /)
      assert.match(yield* get(port, "/chat"), /^HTTP\/1\.1 200 /)
    })
  )

  it.live("lets every origin in where none is named", () =>
    Effect.gen(function* () {
      const { port } = yield* ServeProcess.serve("--port", "0")
      assert.match(yield* shake(port, "/x", "Origin: https://elsewhere.example"), /^HTTP\/1\.1 101 /)
    })
  )

  it.live("closes with 1009 above --max-message-size", () =>
    Effect.gen(function* () {
      const { address } = yield* ServeProcess.serve("--port", "0", "--max-message-size", "10")
      const client = yield* Client.open(address)
      yield* client.send("0123456789")
      assert.strictEqual(yield* client.receive, "0123456789")
      yield* client.send("0123456789a")
      assert.strictEqual((yield* client.closed).code, 1009)
    })
  )

  it.live.each(["fiber", "queue"])("echoes two messages of the largest size (--server %s)", (variant) =>
    Effect.gen(function* () {
      const { address } = yield* ServeProcess.serve("--port", "0", "--server", variant)
      const client = yield* Client.open(address)
      const largest = new Uint8Array(16 * 1024 * 1024).fill(7)
      yield* client.send(largest)
      yield* client.send(largest)
      for (const _ of [1, 2]) {
        const echo = yield* client.receive
        assert.isTrue(typeof echo !== "string" && Buffer.compare(echo, largest) === 0)
      }
    })
  )

  it.live.each(["fiber", "queue"])("takes a message in 65536 fragments (--server %s)", (variant) =>
    Effect.gen(function* () {
      const { port } = yield* ServeProcess.serve("--port", "0", "--server", variant)
      const first = Buffer.from("0281000000002a", "hex")
      const middle = Buffer.from("0081000000002a", "hex")
      const last = Buffer.from("8081000000002a", "hex")
      const echo = yield* talk(port, Buffer.concat([first, ...Array<Buffer>(65_534).fill(middle), last]))
      assert.deepStrictEqual(echo.frame.payload, new Uint8Array(65_536).fill(42))
    })
  )

  it.live("takes as many fragments as a 64th of --max-message-size, and closes with 1008 for one more", () =>
    Effect.gen(function* () {
      const { port } = yield* ServeProcess.serve("--port", "0", "--max-message-size", `${64 * 20_000}`)
      const first = Buffer.from("0281000000002a", "hex")
      const middle = Buffer.from("0081000000002a", "hex")
      const last = Buffer.from("8081000000002a", "hex")
      const most = Array<Buffer>(19_998).fill(middle)
      const echo = yield* talk(port, Buffer.concat([first, ...most, last]))
      assert.strictEqual(echo.frame.payload.length, 20_000)
      const { frame } = yield* talk(port, Buffer.concat([first, ...most, middle, last]))
      assert.deepStrictEqual([frame.opcode, (frame.payload[0]! << 8) | frame.payload[1]!], [8, 1008])
    })
  )

  it.live("listens on a path, and removes it", () =>
    Effect.gen(function* () {
      const path = `${yield* Certificates.directory}/echo.sock`
      const server = yield* ServeProcess.serve("--unix", path)
      assert.strictEqual(server.address, `unix:${path}`)
      const page = yield* Client.exchange(Net.connect(path), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
      assert.match(page, /^HTTP\/1\.1 200 /)
      yield* server.signal("SIGTERM")
      assert.strictEqual((yield* server.ended).code, 0)
      assert.isFalse(existsSync(path))
    })
  )

  const memory = existsSync("/proc/self/status") ? it.live : it.live.skip
  const mebibytes = process.env.CI ? 2048 : 256
  memory(
    `passes a message of ${mebibytes} MiB on in less than 64 MiB of memory (left out where there is no /proc)`,
    () =>
      Effect.gen(function* () {
        const server = yield* ServeProcess.serve("--port", "0", "--max-message-size", "3000000000")
        const peak = (): number =>
          Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))![1]) / 1024
        const before = peak()
        yield* pour(server.port, mebibytes * 1024 * 1024)
        assert.isBelow(peak() - before, 64)
      }),
    60_000
  )
})

/** Shakes hands, sends bytes, and gives the head of the answer and the first frame that comes back. */
const talk = (
  port: number,
  bytes: Uint8Array,
  ...headers: ReadonlyArray<string>
): Effect.Effect<{ readonly head: string; readonly frame: Frame.Frame }> =>
  Effect.callback((resume) => {
    const stream = Net.connect(port, "127.0.0.1", () => stream.write(Client.upgrade("/", ...headers)))
    stream.on("error", (error) => resume(Effect.die(error)))
    stream.once("data", (head: Buffer) => {
      const parser = new FrameParser.FrameParser()
      stream.on("data", (chunk: Buffer) => {
        const [frame] = Result.getOrThrow(parser.push(chunk))
        if (frame === undefined) return
        stream.destroy()
        resume(Effect.succeed({ head: head.toString("latin1"), frame }))
      })
      stream.write(bytes)
    })
  })

describe("serve, compressing", { timeout: 30_000 }, () => {
  const extensionsOf = (head: string): string | undefined => /\r\nSec-WebSocket-Extensions: (.*)\r\n/.exec(head)?.[1]

  const negotiations: ReadonlyArray<
    readonly [
      flags: ReadonlyArray<string>,
      ...cases: ReadonlyArray<readonly [offer: string, answer: string | undefined]>
    ]
  > = [
    [
      [],
      ["permessage-deflate", "permessage-deflate"],
      ["permessage-deflate; client_max_window_bits", "permessage-deflate"],
      [
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=9"
      ],
      ["permessage-deflate; client_max_window_bits=20, permessage-deflate", "permessage-deflate"],
      ["deflate-frame, x-webkit-deflate-frame", undefined]
    ],
    [["--no-deflate"], ["permessage-deflate, deflate-frame, x-webkit-deflate-frame", undefined]],
    [
      ["--deflate-frame", "--server", "queue"],
      ["deflate-frame", "deflate-frame"],
      ["x-webkit-deflate-frame", "x-webkit-deflate-frame"],
      ["permessage-deflate, deflate-frame", "permessage-deflate"],
      ["x-webkit-deflate-frame, permessage-deflate", "x-webkit-deflate-frame"]
    ],
    [
      ["--no-deflate", "--deflate-frame"],
      ["permessage-deflate, deflate-frame", "deflate-frame"]
    ]
  ]

  for (const [flags, ...cases] of negotiations) {
    it.live(`agrees on extensions: serve ${flags.join(" ")}`, () =>
      Effect.gen(function* () {
        const { port } = yield* ServeProcess.serve("--port", "0", ...flags)
        for (const [offer, answer] of cases) {
          const head = yield* shake(port, "/", `Sec-WebSocket-Extensions: ${offer}`)
          assert.match(head, /^HTTP\/1\.1 101 /)
          assert.strictEqual(extensionsOf(head), answer, offer)
        }
      })
    )
  }

  // RFC 7692 7.2.3.1: "Hello", compressed
  const hello = Buffer.from("f248cdc9c90700", "hex")
  const masked = Buffer.concat([Buffer.from([0xc1, 0x80 | hello.length, 0, 0, 0, 0]), hello])

  for (const extension of ["permessage-deflate", "deflate-frame", "x-webkit-deflate-frame"]) {
    it.live.each(["fiber", "queue"])(`echoes compressed what is short, with ${extension} (--server %s)`, (variant) =>
      Effect.gen(function* () {
        const { port } = yield* ServeProcess.serve("--port", "0", "--deflate-frame", "--server", variant)
        const { frame, head } = yield* talk(port, masked, `Sec-WebSocket-Extensions: ${extension}`)
        assert.strictEqual(extensionsOf(head), extension)
        assert.deepStrictEqual([frame.opcode, frame.fin, frame.rsv1], [Opcode.Text, true, true])
        assert.deepStrictEqual(Buffer.from(frame.payload), hello)
      })
    )
  }

  it.live.each(["fiber", "queue"])("closes with 1002 on compression that was not agreed to (--server %s)", (variant) =>
    Effect.gen(function* () {
      const { port } = yield* ServeProcess.serve("--port", "0", "--no-deflate", "--server", variant)
      const { frame } = yield* talk(port, masked, "Sec-WebSocket-Extensions: permessage-deflate")
      assert.strictEqual(frame.opcode, Opcode.Close)
      assert.strictEqual(Buffer.from(frame.payload).readUInt16BE(), 1002)
    })
  )
})

/** Sends one message of `size` zeros as one frame, reads it back as frames, and checks that it is whole. */
const pour = (port: number, size: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const stream = Net.connect(port, "127.0.0.1", () => stream.write(Client.upgrade("/")))
    stream.on("error", (error) => resume(Effect.die(error)))
    stream.once("data", () => {
      const parser = new FrameParser.FrameParser()
      let received = 0
      stream.on("data", (chunk: Buffer) => {
        for (const frame of Result.getOrThrow(parser.push(chunk))) {
          assert.strictEqual(frame.opcode, received === 0 ? Opcode.Binary : Opcode.Continuation)
          received += frame.payload.length
          if (!frame.fin) continue
          assert.strictEqual(received, size)
          stream.destroy()
          resume(Effect.void)
        }
      })
      // Masked with zeros, the zeros stay what they are.
      const head = Buffer.alloc(14)
      head.writeUInt16BE(0x82ff)
      head.writeBigUInt64BE(BigInt(size), 2)
      stream.write(head)
      const zeros = Buffer.alloc(1024 * 1024)
      let rest = size / zeros.length
      const pump = (): void => {
        while (rest > 0) {
          rest--
          if (!stream.write(zeros)) return void stream.once("drain", pump)
        }
      }
      pump()
    })
  })

describe("serve, interrupted", { timeout: 30_000 }, () => {
  for (const [signal, variant] of [
    ["SIGINT", "fiber"],
    ["SIGTERM", "fiber"],
    ["SIGTERM", "queue"]
  ] as const) {
    it.live(`drains on ${signal}, and exits 0 (--server ${variant})`, () =>
      Effect.gen(function* () {
        const server = yield* ServeProcess.serve("--port", "0", "--server", variant)
        const client = yield* Client.open(server.address)
        yield* client.send("before")
        assert.strictEqual(yield* client.receive, "before")
        yield* server.signal(signal)
        const { code, reason, wasClean } = yield* client.closed
        assert.deepStrictEqual([code, reason, wasClean], [1001, "server shutting down", true])
        const ended = yield* server.ended
        assert.deepStrictEqual([ended.code, ended.signal], [0, null])
      })
    )
  }

  it.live("exits 0 without anybody connected", () =>
    Effect.gen(function* () {
      const server = yield* ServeProcess.serve("--port", "0")
      yield* server.signal("SIGTERM")
      assert.strictEqual((yield* server.ended).code, 0)
    })
  )

  // A client that shook hands and then neither reads nor answers holds the drain up.
  const hold = (port: number): Effect.Effect<Net.Socket> =>
    Effect.callback((resume) => {
      const stream = Net.connect(port, "127.0.0.1", () => stream.write(Client.upgrade("/")))
      stream.on("error", () => undefined)
      stream.once("data", () => resume(Effect.succeed(stream.pause())))
    })

  it.live("waits for those who do not answer as long as --drain says, and exits 0", () =>
    Effect.gen(function* () {
      const server = yield* ServeProcess.serve("--port", "0", "--drain", "1")
      const stream = yield* hold(server.port)
      const start = process.hrtime.bigint()
      yield* server.signal("SIGTERM")
      assert.strictEqual((yield* server.ended).code, 0)
      const millis = Number(process.hrtime.bigint() - start) / 1e6
      assert.isAtLeast(millis, 900)
      assert.isBelow(millis, 5000)
      stream.destroy()
    })
  )

  it.live(
    "exits at once on a second signal, but not on the echo of the first",
    () =>
      Effect.gen(function* () {
        const server = yield* ServeProcess.serve("--port", "0", "--drain", "60")
        const stream = yield* hold(server.port)
        yield* server.signal("SIGINT")
        yield* server.signal("SIGINT")
        yield* server.logged(/Draining 1 conn/)
        // Asks until the process is ready to take a second one for what it is.
        const insist = Effect.andThen(server.signal("SIGINT"), Effect.sleep("100 millis"))
        const ended = yield* Effect.raceFirst(server.ended, Effect.forever(insist))
        assert.strictEqual(ended.code, 130)
        stream.destroy()
      }),
    30_000
  )
})

describe("serve over TLS", { timeout: 30_000 }, () => {
  const dial = (port: number, options: Tls.ConnectionOptions): Effect.Effect<string> =>
    Effect.catchDefect(
      Client.exchange(
        Tls.connect({ port, host: "127.0.0.1", servername: "localhost", ...options }),
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
      ),
      (error) => Effect.succeed(String(error))
    )

  it.live("shows its certificate", () =>
    Effect.gen(function* () {
      const { ca, certFile, keyFile } = yield* Certificates.make
      const server = yield* ServeProcess.serve("--port", "0", "--tls-cert", certFile, "--tls-key", keyFile)
      assert.match(server.address, /^wss:\/\/127\.0\.0\.1:\d+$/)
      assert.match(yield* dial(server.port, { ca }), /^HTTP\/1\.1 200 /)
    })
  )

  it.live("demands and checks certificates of clients", () =>
    Effect.gen(function* () {
      const { ca, caFile, certFile, client, keyFile, stranger } = yield* Certificates.make
      const tls = ["--tls-cert", certFile, "--tls-key", keyFile]
      const server = yield* ServeProcess.serve(...["--port", "0", "--tls-client-ca", caFile].concat(tls))
      assert.match(yield* dial(server.port, { ca, ...client }), /^HTTP\/1\.1 200 /)
      for (const refused of [{ ca }, { ca, ...stranger }]) {
        assert.notMatch(yield* dial(server.port, refused), /HTTP/)
      }
      assert.match(yield* dial(server.port, { ca, ...client }), /^HTTP\/1\.1 200 /)
    })
  )
})
