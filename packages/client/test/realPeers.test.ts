/**
 * Other people's servers and proxies, over the real network: `ws`, python `websockets`, nginx, tinyproxy, microsocks.
 */
import { freePort } from "@effect-ws/test-support/LocalPort"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as ClientAuth from "@effect-ws/protocol/ClientAuth"
import { HttpHeadError } from "@effect-ws/protocol/HeadParser"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { Dialer, formatAddress, hostPort } from "@effect-ws/transport/Dialer"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Tls from "@effect-ws/transport/Tls"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Result, Stream } from "effect"
import type { Scope } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import { SocketServer } from "effect/socket"
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import * as Ws from "ws"
import * as Client from "../src/Client.ts"
import type { ConnectError } from "../src/ConnectError.ts"
import { ConnectTimeout, TlsError } from "../src/ConnectError.ts"
import * as HttpProxy from "../src/HttpProxy.ts"
import { ProxyError } from "../src/ProxyError.ts"
import { UnexpectedResponse } from "../src/UnexpectedResponse.ts"
import * as certificates from "./support/certificates.ts"
import { folder, python, run, testWith } from "./support/programs.ts"

const connect = (url: string, options?: Client.ClientOptions) =>
  Effect.provide(Client.connect(url, options), Client.layerDirect())

/** Sends messages that come back, and closes. */
const converse = (url: string, options?: Client.ClientOptions): Effect.Effect<void, unknown> =>
  Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* connect(url, options)
      for (const text of ["hello", "Grüße 👋", "a".repeat(100_000)]) {
        yield* connection.send(text)
        const message = yield* connection.receive
        assert.strictEqual(message.data, text)
      }
      const { clean, received } = yield* connection.close(1000, "done")
      assert.isTrue(clean)
      assert.strictEqual(received?.code, 1000)
    })
  )

const failing = (url: string, options?: Client.ClientOptions): Effect.Effect<ConnectError, unknown> =>
  Effect.scoped(Effect.flip(connect(url, options)))

const test = (name: string, program: Effect.Effect<void, unknown, Scope.Scope>): void => {
  it.live(name, () => Effect.scoped(program), 10_000)
}

/** Our own echo server, on a port of its own. */
const echo: Effect.Effect<number, unknown, Scope.Scope> = Effect.map(
  Layer.build(
    WebSocketServer.layer((connection) => Stream.runForEach(connection.messages, (m) => connection.send(m)), {
      origins: "any"
    }).pipe(Layer.provide(Tcp.layerServer({ port: 0 })))
  ),
  (context) => hostPort(Context.get(context, WebSocketServer.WebSocketServer).address as NetAddress.InetAddress).port
)

const listen = (server: Net.Server): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "localhost", () => resume(Effect.succeed((server.address() as Net.AddressInfo).port)))
    }),
    () =>
      Effect.sync(() => {
        server.close()
        if (server instanceof Http.Server || server instanceof Https.Server) server.closeAllConnections()
      })
  )

/** The server of `ws` on a server of Node; echoes. */
const withWs = <S extends Http.Server | Https.Server>(server: S, options?: Ws.ServerOptions): S => {
  const wss = new Ws.WebSocketServer({ ...options, server })
  wss.on("connection", (socket) => socket.on("message", (data, binary) => socket.send(data, { binary })))
  return server
}

const secure = { cert: certificates.server.cert, key: certificates.server.key }
const tls = { ca: certificates.ca }

const proxy = (text: string): HttpProxy.Proxy => Result.getOrThrow(HttpProxy.parse(text))

describe("with ws", () => {
  test(
    "speaks plainly and compressed, with a subprotocol",
    Effect.gen(function* () {
      const port = yield* listen(withWs(Http.createServer(), { perMessageDeflate: true }))
      yield* converse(`ws://localhost:${port}/`)
      yield* Effect.provide(converse(`http://localhost:${port}/`), PermessageDeflate.layer({ threshold: 0 }))
      const connection = yield* Effect.provide(
        connect(`ws://localhost:${port}/`, { subprotocols: ["a", "b"] }),
        PermessageDeflate.layer()
      )
      assert.strictEqual(connection.subprotocol, "a")
      assert.strictEqual(connection.extensions[0]?.name, "permessage-deflate")
      assert.isDefined(connection.remoteAddress)
    })
  )

  test(
    "shows what it answers to a handshake it does not like",
    Effect.gen(function* () {
      const port = yield* listen(withWs(Http.createServer(), { path: "/here" }))
      const error = yield* failing(`ws://localhost:${port}/there`)
      assert.instanceOf(error, UnexpectedResponse)
      assert.strictEqual(error.status, 400)
      assert.strictEqual(error.text, "Bad Request")
    })
  )

  test(
    "reads a body in chunks",
    Effect.gen(function* () {
      const server = Http.createServer().on("upgrade", (request: Http.IncomingMessage, socket: Net.Socket) => {
        const response = new Http.ServerResponse(request)
        response.assignSocket(socket)
        response.statusCode = 418
        response.write("I am ")
        response.end("a teapot")
      })
      const error = yield* failing(`ws://localhost:${yield* listen(server)}/`)
      assert.instanceOf(error, UnexpectedResponse)
      assert.strictEqual(error.status, 418)
      assert.strictEqual(error.text, "I am a teapot")
      assert.isFalse(error.truncated)
    })
  )
})

describe("over TLS", () => {
  test(
    "trusts the authorities it is told to trust, and no others",
    Effect.gen(function* () {
      const port = yield* listen(withWs(Https.createServer(secure)))
      yield* converse(`wss://localhost:${port}/`, { tls })
      const error = yield* failing(`wss://localhost:${port}/`)
      assert.instanceOf(error, TlsError)
      assert.match(error.message, /server name localhost\): .*certificate/)
    })
  )

  test(
    "finds the name of the host in the certificate, or the name it is told",
    Effect.gen(function* () {
      const port = yield* listen(withWs(Https.createServer(secure)))
      const error = yield* failing(`wss://127.0.0.1:${port}/`, { tls })
      assert.instanceOf(error, TlsError)
      assert.match(error.message, /127\.0\.0\.1/)
      yield* converse(`wss://127.0.0.1:${port}/`, { tls: { ...tls, servername: "localhost" } })
    })
  )

  test(
    "trusts anybody only when told so",
    Effect.gen(function* () {
      const port = yield* listen(withWs(Https.createServer(secure)))
      yield* converse(`wss://127.0.0.1:${port}/`, { tls: { rejectUnauthorized: false } })
    })
  )

  test(
    "shows its certificate to a server that demands one, and to no other origin",
    Effect.gen(function* () {
      const demanding = { ...secure, ca: certificates.ca, requestCert: true, rejectUnauthorized: true }
      const port = yield* listen(withWs(Https.createServer(demanding)))
      const identified = { ...tls, identity: certificates.client }
      yield* converse(`wss://localhost:${port}/`, { tls: identified })
      assert.notInstanceOf(yield* failing(`wss://localhost:${port}/`, { tls }), UnexpectedResponse)
      const elsewhere = yield* listen(redirecting(Http.createServer(), `wss://localhost:${port}/`))
      assert.notInstanceOf(yield* failing(`ws://localhost:${elsewhere}/`, { tls: identified }), UnexpectedResponse)
    })
  )

  test(
    "follows a redirect from ws to wss, and none from wss to ws",
    Effect.gen(function* () {
      const plain = yield* listen(withWs(Http.createServer()))
      const encrypted = yield* listen(withWs(Https.createServer(secure)))
      const up = yield* listen(redirecting(Http.createServer(), `https://localhost:${encrypted}/`))
      const down = yield* listen(redirecting(Https.createServer(secure), `ws://localhost:${plain}/?token=t0ken`))
      yield* converse(`ws://localhost:${up}/`, { tls })
      const error = yield* failing(`wss://localhost:${down}/`, { tls })
      assert.instanceOf(error, UnexpectedResponse)
      assert.strictEqual(error.rule, "InsecureRedirect")
      assert.notInclude(error.message, "t0ken")
    })
  )

  test(
    "does not wait for ever for a server that says nothing",
    Effect.gen(function* () {
      const port = yield* listen(Net.createServer(() => {}))
      const error = yield* failing(`wss://localhost:${port}/`, { tls, connectTimeout: "100 millis" })
      assert.instanceOf(error, ConnectTimeout)
      assert.strictEqual(error.message, `no connection to wss://localhost:${port}/ within 100ms`)
    })
  )
})

const redirecting = <S extends Http.Server | Https.Server>(server: S, location: string): S => {
  server.on("request", (_, response) => void response.writeHead(302, { Location: location }).end())
  return server
}

describe("with nginx", () => {
  const nginx = Effect.fnUntraced(function* (backend: number) {
    const home = yield* folder
    const port = yield* freePort
    Fs.writeFileSync(`${home}/cert.pem`, certificates.server.cert)
    Fs.writeFileSync(`${home}/key.pem`, certificates.server.key)
    const sha = createHash("sha1").update("open sesame").digest("base64")
    Fs.writeFileSync(`${home}/users`, `Aladdin:{SHA}${sha}\n`)
    Fs.writeFileSync(
      `${home}/nginx.conf`,
      `daemon off; master_process off; pid ${home}/pid; error_log stderr;
      events {}
      http {
        access_log off;
        ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${home}/${name};`).join(" ")}
        server {
          listen 127.0.0.1:${port} ssl;
          ssl_certificate ${home}/cert.pem;
          ssl_certificate_key ${home}/key.pem;
          location / { proxy_pass http://127.0.0.1:${backend}; proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; }
          location /cave { proxy_pass http://127.0.0.1:${backend}; proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
            auth_basic "cave"; auth_basic_user_file ${home}/users; }
          location /old { return 301 /new; }
        }
      }`
    )
    yield* run("nginx", ["-e", "stderr", "-p", home, "-c", `${home}/nginx.conf`], { port })
    return `localhost:${port}`
  })

  testWith("nginx", "in front of a server: TLS, a redirect, Basic authentication", () =>
    Effect.gen(function* () {
      const host = yield* nginx(yield* echo)
      yield* converse(`wss://${host}/`, { tls })
      yield* converse(`https://${host}/old`, { tls })
      yield* converse(`wss://Aladdin:open%20sesame@${host}/cave`, { tls })
      const credentials = ClientAuth.password("Aladdin", "open sesame")
      yield* converse(`wss://${host}/cave`, { tls, credentials, sendCredentials: "preemptive" })
      const error = yield* failing(`wss://Aladdin:wrong@${host}/cave`, { tls })
      assert.instanceOf(error, UnexpectedResponse)
      assert.strictEqual(error.status, 401)
      assert.include(error.text, "401 Authorization Required")
      assert.isFalse(error.truncated)
    })
  )
})

/** What every proxy has to be good for. */
const proxied = Effect.fnUntraced(function* (through: string) {
  const plain = yield* listen(withWs(Http.createServer()))
  const encrypted = yield* listen(withWs(Https.createServer(secure)))
  const gone = yield* freePort
  yield* converse(`ws://127.0.0.1:${plain}/`, { proxy: proxy(through) })
  // The name is the proxy's to resolve.
  yield* converse(`ws://localhost:${plain}/`, { proxy: proxy(through) })
  yield* converse(`wss://localhost:${encrypted}/`, { tls, proxy: proxy(through) })
  const error = yield* failing(`ws://127.0.0.1:${gone}/`, { proxy: proxy(through) })
  assert.instanceOf(error, ProxyError)
  assert.strictEqual(error.destination, `127.0.0.1:${gone}`)
  const dialer = Layer.provide(HttpProxy.layer(proxy(through)), Tcp.layerDialer())
  const connection = yield* Effect.provide(
    Client.connect(`wss://localhost:${encrypted}/`, { tls }) as Effect.Effect<
      Effect.Success<ReturnType<typeof Client.connect>>,
      unknown,
      Dialer | Scope.Scope
    >,
    dialer
  )
  yield* connection.ping()
  const refused = yield* Effect.flip(Effect.provide(Client.connect(`ws://127.0.0.1:${gone}/`), dialer))
  assert.strictEqual(refused._tag, "SocketError")
  assert.match(refused.message, /opened no tunnel/)
})

describe("through tinyproxy", () => {
  const tinyproxy = Effect.fnUntraced(function* (...settings: ReadonlyArray<string>) {
    const home = yield* folder
    const port = yield* freePort
    const lines = [`Port ${port}`, "Listen 127.0.0.1", "Timeout 60", "MaxClients 20", "LogLevel Error", ...settings]
    Fs.writeFileSync(`${home}/conf`, `${lines.join("\n")}\n`)
    yield* run("tinyproxy", ["-d", "-c", `${home}/conf`], { port })
    return port
  })

  testWith("tinyproxy", "to servers, with and without TLS", () =>
    Effect.gen(function* () {
      yield* proxied(`http://127.0.0.1:${yield* tinyproxy()}`)
    })
  )

  testWith("tinyproxy", "that wants a password", () =>
    Effect.gen(function* () {
      const port = yield* tinyproxy("BasicAuth Aladdin opensesame")
      yield* proxied(`http://Aladdin:opensesame@127.0.0.1:${port}`)
      for (const userInfo of ["", "Aladdin:pa55word@"]) {
        const error = yield* failing("ws://localhost/", { proxy: proxy(`http://${userInfo}127.0.0.1:${port}`) })
        assert.instanceOf(error, ProxyError)
        assert.strictEqual(error.rule, "AuthenticationFailed")
        assert.include([401, 407], error.status)
        assert.notInclude(error.message, "pa55word")
      }
    })
  )
})

describe("through microsocks", () => {
  const microsocks = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
    const port = yield* freePort
    yield* run("microsocks", ["-i", "127.0.0.1", "-p", String(port), ...args], { port })
    return port
  })

  testWith("microsocks", "to servers, with and without TLS", () =>
    Effect.gen(function* () {
      yield* proxied(`socks5://127.0.0.1:${yield* microsocks()}`)
    })
  )

  testWith("microsocks", "that wants a password", () =>
    Effect.gen(function* () {
      const port = yield* microsocks("-u", "Aladdin", "-P", "open sesame")
      yield* proxied(`socks5h://Aladdin:open%20sesame@127.0.0.1:${port}`)
      for (const userInfo of ["", "Aladdin:pa55word@"]) {
        const error = yield* failing("ws://localhost/", { proxy: proxy(`socks5://${userInfo}127.0.0.1:${port}`) })
        assert.instanceOf(error, ProxyError)
        assert.strictEqual(error.rule, "AuthenticationFailed")
      }
    })
  )
})

describe("with a server of the other kind", () => {
  const plainSays = "; if the server does not use TLS, use ws:// or http://"

  test(
    "says that a plain server speaks no TLS",
    Effect.gen(function* () {
      const port = yield* listen(Http.createServer())
      const url = `wss://localhost:${port}/`
      const error = yield* failing(url, { tls })
      assert.instanceOf(error, TlsError)
      assert.strictEqual(
        error.message,
        `TLS with ${url} failed (server name localhost): the peer does not speak TLS${plainSays}`
      )
      const silent = yield* listen(Net.createServer((socket) => void socket.once("data", () => socket.end())))
      const closed = yield* failing(`wss://localhost:${silent}/`, { tls })
      assert.instanceOf(closed, TlsError)
      assert.strictEqual(
        closed.detail,
        "the peer closed the connection during the TLS handshake; if the server does not use TLS, use ws:// or http://"
      )
    })
  )

  test(
    "says that a server wants TLS, whatever it answers",
    Effect.gen(function* () {
      // Node says nothing.
      const node = yield* listen(Https.createServer(secure))
      assert.strictEqual(
        (yield* failing(`ws://localhost:${node}/`)).message,
        `localhost:${node} closed the connection in place of an answer to the handshake; if the server speaks TLS, use wss:// or https://`
      )
      // Our own server, nginx, Apache and Go answer in HTTP.
      const { address } = Context.get(
        yield* Layer.build(
          Tls.layerServer({ port: 0, cert: certificates.server.cert, key: Redacted.make(certificates.server.key) })
        ),
        SocketServer.SocketServer
      )
      const ours = yield* failing(`ws://${formatAddress(address)}/`)
      assert.instanceOf(ours, UnexpectedResponse)
      assert.match(ours.detail, /400.*; the server seems to speak TLS on this port: use wss:\/\/ or https:\/\//)
      // An alert, as of OpenSSL.
      const alert = Buffer.from("15030100020246", "hex")
      const record = yield* listen(Net.createServer((socket) => void socket.once("data", () => socket.end(alert))))
      const error = yield* failing(`ws://localhost:${record}/`)
      assert.instanceOf(error, HttpHeadError)
      assert.match(error.message, /found a TLS record: the server speaks TLS, so use wss:\/\/ or https:\/\//)
    })
  )

  test(
    "knows a host whose name ends with a dot by the name without it",
    Effect.gen(function* () {
      const server = Https.createServer(secure)
      const names: Array<string | false | null> = []
      server.on("secureConnection", (socket) => names.push(socket.servername ?? null))
      const port = yield* listen(withWs(server))
      const dialer = Layer.effect(
        Dialer,
        Effect.map(Dialer, (inner) => ({ dial: () => inner.dial({ host: "localhost", port }) }))
      ).pipe(Layer.provide(Client.layerDirect()))
      const connection = yield* Effect.provide(Client.connect(`wss://localhost.:${port}/`, { tls }), dialer)
      assert.strictEqual(connection.request.host, `localhost.:${port}`)
      assert.deepStrictEqual(names, ["localhost"])
    })
  )
})

describe("with openssl", () => {
  testWith("openssl", "that does not trust the client's certificate, or demands one", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const [cert, key, authority] = ["cert", "key", "ca"].map((name) => `${directory}/${name}.pem`) as [
        string,
        string,
        string
      ]
      Fs.writeFileSync(cert, certificates.server.cert)
      Fs.writeFileSync(key, certificates.server.key)
      Fs.writeFileSync(authority, certificates.ca)
      const port = yield* freePort
      const trust = ["-CAfile", authority, "-Verify", "1", "-verify_return_error"]
      yield* run("openssl", ["s_server", "-accept", String(port), "-cert", cert, "-key", key, ...trust, "-quiet"], {
        port
      })
      const url = `wss://localhost:${port}/`
      const unknown = yield* failing(url, { tls: { ...tls, identity: certificates.stranger } })
      assert.instanceOf(unknown, TlsError)
      assert.strictEqual(
        unknown.message,
        `TLS with ${url} failed (server name localhost): the peer sent the TLS alert "unknown ca"`
      )
      const missing = yield* failing(url, { tls })
      assert.instanceOf(missing, TlsError)
      assert.match(missing.detail, /"certificate required"|"handshake failure"/)
    })
  )
})

describe("with python websockets", () => {
  const program = `
import asyncio, sys
from websockets.asyncio.server import serve, unix_serve, basic_auth

async def echo(websocket):
    async for message in websocket:
        await websocket.send(message)

async def main(where):
    auth = basic_auth(realm="cave", credentials=("Aladdin", "open sesame"))
    server = unix_serve(echo, where) if "/" in where else serve(echo, "127.0.0.1", int(where), process_request=auth)
    async with server:
        await asyncio.get_running_loop().create_future()

asyncio.run(main(sys.argv[1]))
`
  testWith("python websockets", "compressed, with Basic authentication", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      yield* run(python, ["-c", program, String(port)], { port })
      const url = `ws://Aladdin:open%20sesame@127.0.0.1:${port}/`
      yield* converse(url)
      yield* Effect.provide(converse(url), PermessageDeflate.layer({ threshold: 0 }))
      const error = yield* failing(`ws://127.0.0.1:${port}/`)
      assert.instanceOf(error, UnexpectedResponse)
      assert.strictEqual(error.status, 401)
      assert.match(error.text, /credentials/i)
    })
  )

  testWith("python websockets", "on a Unix socket", () =>
    Effect.gen(function* () {
      const path = `${yield* folder}/socket`
      yield* run(python, ["-c", program, path], { path })
      yield* converse(`ws+unix:${path}:/chat`)
      yield* converse("ws://localhost/", { socketPath: path })
    })
  )
})
