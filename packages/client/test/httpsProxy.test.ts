/**
 * Proxies that are spoken to in TLS, over the real network: `node:https` with CONNECT, and in the tunnel TLS again.
 */
import * as ClientAuth from "@effect-ws/protocol/ClientAuth"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Scope } from "effect"
import { createHash, randomBytes } from "node:crypto"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import { inspect } from "node:util"
import * as Ws from "ws"
import * as Client from "../src/Client.ts"
import type * as HttpProxy from "../src/HttpProxy.ts"
import { ProxyError } from "../src/ProxyError.ts"
import * as certificates from "./support/certificates.ts"

const secure = { cert: certificates.server.cert, key: certificates.server.key }
const tls = { ca: certificates.ca }

const listen = <S extends Net.Server>(server: S): Effect.Effect<number, never, Scope.Scope> =>
  Effect.suspend(() => {
    const sockets = new Set<Net.Socket>()
    server.on("connection", (socket: Net.Socket) => sockets.add(socket))
    return Effect.acquireRelease(
      Effect.callback<number>((resume) => {
        server.listen(0, "localhost", () => resume(Effect.succeed((server.address() as Net.AddressInfo).port)))
      }),
      () =>
        Effect.sync(() => {
          server.close()
          for (const socket of sockets) socket.destroy()
        })
    )
  })

const echo = <S extends Http.Server | Https.Server>(server: S): S => {
  new Ws.WebSocketServer({ server }).on("connection", (socket) =>
    socket.on("message", (data, binary) => socket.send(data, { binary }))
  )
  return server
}

/** Makes a proxy of a web server; `ask` gives what to answer in place of a tunnel. */
const proxying = <S extends Http.Server | Https.Server>(
  server: S,
  ask: (request: Http.IncomingMessage) => string | undefined = () => undefined
): S => {
  server.on("connect", (request: Http.IncomingMessage, socket: Net.Socket, head: Buffer) => {
    socket.on("error", () => {})
    const refusal = ask(request)
    if (refusal !== undefined) {
      socket.end(refusal)
      return
    }
    const { hostname, port } = new URL(`http://${request.url!}`)
    const through = Net.connect(Number(port), hostname, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
      through.write(head)
      socket.pipe(through).pipe(socket)
    })
    through.on("error", () => socket.destroy())
    socket.on("close", () => through.destroy())
  })
  return server
}

/** Asks for Digest as RFC 7616 has it, computed here once more. */
const digestGuard = (): {
  readonly ask: (request: Http.IncomingMessage) => string | undefined
  readonly seen: Array<string>
} => {
  const nonce = randomBytes(12).toString("hex")
  const seen: Array<string> = []
  const hash = (text: string): string => createHash("sha256").update(text).digest("hex")
  const ask = (request: Http.IncomingMessage): string | undefined => {
    const header = request.headers["proxy-authorization"] ?? ""
    seen.push(header.split(" ")[0]!)
    const param = (name: string): string => new RegExp(`[ ,]${name}="?([^",]*)"?`).exec(header)?.[1] ?? ""
    const ha1 = hash("Aladdin:vault:open sesame")
    const ha2 = hash(`CONNECT:${request.url}`)
    const expected = hash(`${ha1}:${nonce}:${param("nc")}:${param("cnonce")}:auth:${ha2}`)
    if (header.startsWith("Digest ") && param("uri") === request.url && param("response") === expected) return undefined
    return (
      "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n" +
      `Proxy-Authenticate: Digest realm="vault", nonce="${nonce}", qop="auth", algorithm=SHA-256\r\n\r\n`
    )
  }
  return { ask, seen }
}

const connect = (url: string, options: Client.ClientOptions) =>
  Effect.provide(Client.connect(url, options), Client.layerDirect())

const converse = (url: string, proxy: HttpProxy.Proxy): Effect.Effect<void, unknown> =>
  Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* connect(url, { tls, proxy })
      for (const text of ["hello", "a".repeat(1_000_000)]) {
        yield* connection.send(text)
        assert.strictEqual((yield* connection.receive).data, text)
      }
      assert.isTrue((yield* connection.close(1000)).clean)
    })
  )

const test = (name: string, program: Effect.Effect<void, unknown, Scope.Scope>): void => {
  it.live(name, () => Effect.scoped(program), 30_000)
}

describe("a proxy in TLS", () => {
  test(
    "leads to servers with and without TLS of their own",
    Effect.gen(function* () {
      const port = yield* listen(proxying(Https.createServer(secure)))
      const plain = yield* listen(echo(Http.createServer()))
      const encrypted = yield* listen(echo(Https.createServer(secure)))
      const proxy: HttpProxy.Proxy = { kind: "https", host: "localhost", port, tls }
      yield* converse(`ws://localhost:${plain}/`, proxy)
      yield* converse(`wss://localhost:${encrypted}/`, proxy)
    })
  )

  test(
    "is trusted as it is told to be, apart from the server",
    Effect.gen(function* () {
      const port = yield* listen(proxying(Https.createServer(secure)))
      const encrypted = yield* listen(echo(Https.createServer(secure)))
      const url = `wss://localhost:${encrypted}/`
      const proxy: HttpProxy.Proxy = { kind: "https", host: "127.0.0.1", port }
      for (const [trust, why] of [
        [undefined, /certificate/],
        [tls, /127\.0\.0\.1/]
      ] as const) {
        const error = yield* Effect.scoped(Effect.flip(connect(url, { tls, proxy: { ...proxy, tls: trust } })))
        assert.instanceOf(error, ProxyError)
        assert.strictEqual(error.rule, "TlsFailed")
        assert.match(error.message, why)
      }
      yield* converse(url, { ...proxy, tls: { ...tls, servername: "localhost" } })
      yield* converse(url, { ...proxy, tls: { rejectUnauthorized: false } })
      // What the proxy is excused from the server is not.
      const error = yield* Effect.scoped(
        Effect.flip(connect(url, { proxy: { ...proxy, tls: { rejectUnauthorized: false } } }))
      )
      assert.strictEqual(error._tag, "TlsError")
    })
  )

  test(
    "that is none fails",
    Effect.gen(function* () {
      const port = yield* listen(proxying(Http.createServer()))
      const error = yield* Effect.scoped(
        Effect.flip(connect("ws://localhost/", { proxy: { kind: "https", host: "localhost", port, tls } }))
      )
      assert.instanceOf(error, ProxyError)
      assert.strictEqual(error.rule, "TlsFailed")
    })
  )

  test(
    "shows a certificate of ours to a proxy that demands one",
    Effect.gen(function* () {
      const demanding = { ...secure, ca: certificates.ca, requestCert: true, rejectUnauthorized: true }
      const port = yield* listen(proxying(Https.createServer(demanding)))
      const plain = yield* listen(echo(Http.createServer()))
      const proxy: HttpProxy.Proxy = {
        kind: "https",
        host: "localhost",
        port,
        tls: { ...tls, identity: certificates.client }
      }
      yield* converse(`ws://localhost:${plain}/`, proxy)
    })
  )
})

describe("a proxy that asks by Digest", () => {
  for (const kind of ["http", "https"] as const) {
    test(
      `over ${kind}: the password goes nowhere`,
      Effect.gen(function* () {
        const { ask, seen } = digestGuard()
        const port = yield* listen(proxying(kind === "http" ? Http.createServer() : Https.createServer(secure), ask))
        const encrypted = yield* listen(echo(Https.createServer(secure)))
        const proxy: HttpProxy.Proxy = {
          kind,
          host: "localhost",
          port,
          tls,
          credentials: ClientAuth.password("Aladdin", "open sesame"),
          authSchemes: ["Digest"]
        }
        yield* converse(`wss://localhost:${encrypted}/`, proxy)
        assert.deepStrictEqual(seen, ["", "Digest"])
        const credentials = ClientAuth.password("Aladdin", "pa55word")
        const error = yield* Effect.scoped(
          Effect.flip(connect("ws://localhost/", { proxy: { ...proxy, credentials } }))
        )
        assert.instanceOf(error, ProxyError)
        assert.deepStrictEqual([error.rule, error.status], ["AuthenticationFailed", 407])
        assert.notInclude(inspect(error, { depth: 9 }), "pa55word")
      })
    )
  }
})

describe("1xx responses", () => {
  test(
    "of a server of bytes are skipped",
    Effect.gen(function* () {
      const server = Net.createServer((socket) => {
        socket.on("error", () => {})
        socket.once("data", (request) => {
          const key = /sec-websocket-key: (\S+)/i.exec(request.toString("latin1"))![1]!
          const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
          socket.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early")
          setTimeout(() => {
            socket.write(
              " Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
                `Connection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n\x81\x02hi`,
              "latin1"
            )
          }, 20)
        })
      })
      const connection = yield* connect(`ws://localhost:${yield* listen(server)}/`, { closeTimeout: "100 millis" })
      assert.strictEqual((yield* connection.receive).data, "hi")
    })
  )
})
