import * as CloseError from "@effect-ws/protocol/CloseError"
import { HandshakeTimeout } from "@effect-ws/connection/HandshakeTimeout"
import { HandshakeConfigError } from "@effect-ws/protocol/HandshakeConfigError"
import { HttpHeadError } from "@effect-ws/protocol/HeadParser"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import type { Scope } from "effect"
import { Socket } from "effect/socket"
import { readFileSync } from "node:fs"
import * as Net from "node:net"
import * as Tls from "node:tls"
import * as Client from "../src/Client.ts"
import { ConnectTimeout, TlsError } from "../src/ConnectError.ts"
import type { ConnectError } from "../src/ConnectError.ts"
import * as FailureKind from "../src/FailureKind.ts"
import { ProxyError } from "../src/ProxyError.ts"
import { UnexpectedResponse } from "../src/UnexpectedResponse.ts"
import * as certificates from "./support/certificates.ts"

const url = "wss://host/"

const coded = (code: string): Error => Object.assign(new Error(code), { code })

const responded = (status: number): UnexpectedResponse =>
  new UnexpectedResponse({
    rule: "BadStatus",
    url,
    status,
    headers: [],
    body: new Uint8Array(0),
    truncated: false,
    detail: ""
  })

const proxied = (rule: ProxyError["rule"], more?: Partial<ProxyError>): ProxyError =>
  new ProxyError({ rule, proxy: "proxy:1", destination: "host:443", headers: [], detail: "", ...more })

const headError = (responseStatus?: number): HttpHeadError =>
  new HttpHeadError({
    rule: "BareLineFeed",
    status: 400,
    offset: 0,
    detail: "",
    ...(responseStatus === undefined ? undefined : { responseStatus })
  })

const noTls = (code: string): TlsError =>
  new TlsError({
    url,
    servername: "host",
    detail: "",
    cause: new Socket.SocketError({ reason: new Socket.SocketUpgradeError({ cause: coded(code) }) })
  })

const read = (code: string): Socket.SocketError =>
  new Socket.SocketError({ reason: new Socket.SocketReadError({ cause: coded(code) }) })

const opened = (cause: unknown): Socket.SocketError =>
  new Socket.SocketError({ reason: new Socket.SocketOpenError({ kind: "Unknown", cause }) })

const closed = (code: number): CloseError.CloseError => CloseError.fromCode(code)

const cases: { readonly [Kind in FailureKind.FailureKind]: ReadonlyArray<unknown> } = {
  Network: [
    closed(1006),
    opened(coded("ECONNREFUSED")),
    opened(coded("ENOTFOUND")),
    opened(new AggregateError([coded("ENETUNREACH"), coded("ECONNREFUSED")])),
    noTls("ECONNRESET"),
    read("ECONNRESET"),
    new Socket.SocketError({ reason: new Socket.SocketCloseError({ code: 1000 }) }),
    proxied("BrokenOff"),
    proxied("Refused", { reply: 5 }),
    proxied("TlsFailed", { cause: noTls("ECONNRESET") }),
    opened(proxied("BrokenOff"))
  ],
  Timeout: [
    new ConnectTimeout({ url, after: Duration.seconds(1) }),
    new HandshakeTimeout({ after: Duration.seconds(1) }),
    opened(coded("ETIMEDOUT"))
  ],
  NotTls: ["WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "TLSV1_ALERT_INTERNAL_ERROR"].map((code) =>
    noTls(`ERR_SSL_${code}`)
  ),
  Certificate: [
    noTls("DEPTH_ZERO_SELF_SIGNED_CERT"),
    noTls("SELF_SIGNED_CERT_IN_CHAIN"),
    noTls("UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
    noTls("CERT_HAS_EXPIRED"),
    noTls("ERR_TLS_CERT_ALTNAME_INVALID"),
    noTls("ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE"),
    noTls("ERR_SSL_TLSV1_ALERT_UNKNOWN_CA"),
    // TLS 1.3 refuses a client's certificate after our side of the handshake.
    read("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"),
    opened(coded("CERT_HAS_EXPIRED")),
    proxied("TlsFailed", { cause: noTls("CERT_HAS_EXPIRED") })
  ],
  TlsSettings: [
    noTls("ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE"),
    noTls("ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE"),
    noTls("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION"),
    noTls("ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL"),
    noTls("ERR_SSL_TLSV1_UNRECOGNIZED_NAME"),
    noTls("ERR_OSSL_PEM_NO_START_LINE"),
    closed(1015)
  ],
  Overloaded: [
    ...[408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 529, 599].map(responded),
    proxied("Refused", { status: 429 }),
    proxied("Malformed", { status: 503 }),
    headError(503)
  ],
  Refused: [
    ...[200, 302, 400, 401, 403, 404, 426, 501, 505].map(responded),
    proxied("Refused", { status: 403 }),
    proxied("Refused", { reply: 2 }),
    proxied("AuthenticationFailed", { status: 407 })
  ],
  NotWebSocket: [responded(101), headError(), headError(404), proxied("Malformed"), proxied("UnexpectedBytes")],
  Closed: [1000, 1001, 1002, 1005, 1007, 1011, 1012, 1013, 1014, 3008].map(closed),
  ClosedForGood: [1003, 1008, 1009, 1010, 3000, 3003, 3999, 4000, 4004].map(closed),
  InvalidOptions: [new HandshakeConfigError({ rule: "InvalidUrl", detail: "" })],
  Program: ["no token", new Error("no token"), undefined, { _tag: "NoToken" }]
}

describe("FailureKind", () => {
  describe.each(Object.entries(cases))("%s", (kind, failures) => {
    it.each(failures.map((failure) => [label(failure), failure] as const))("%s", (_, failure) => {
      assert.strictEqual(FailureKind.of(failure), kind)
      const { transient } = FailureKind.kinds[kind as FailureKind.FailureKind]
      assert.strictEqual(FailureKind.isTransient(failure), transient)
      if (CloseError.isCloseError(failure) && failure.code !== 1015) {
        assert.strictEqual(FailureKind.isTransientClose(failure), transient)
      }
    })
  })

  it("is the table of docs/client.md", () => {
    const page = readFileSync(new URL("../../../docs/client.md", import.meta.url), "utf8")
    const rows = page
      .split("\n")
      .map((line) => line.split("|").map((cell) => cell.trim()))
      .filter(([, , , again]) => again === "yes" || again === "no")
      .map(([, ...cells]) => cells.slice(0, 5))
    const said = (again: boolean) => (again ? "yes" : "no")
    const expected = Object.entries(FailureKind.kinds).map(([kind, { inBrowser, means, transient }]) => [
      `\`${kind}\``,
      means,
      said(transient),
      inBrowser.sees,
      said(inBrowser.transient)
    ])
    assert.deepStrictEqual(rows, expected)
  })

  describe("over the network,", () => {
    const test = (
      name: string,
      server: () => Net.Server,
      kind: FailureKind.FailureKind,
      options?: Client.ClientOptions
    ): void => {
      it.live(
        name,
        () =>
          Effect.gen(function* () {
            const port = yield* listen(server())
            assert.strictEqual(FailureKind.of(yield* connect(port, options)), kind)
          }),
        10_000
      )
    }

    test("FIN in place of TLS", () => answering((socket) => socket.end()), "Network")
    test("RST in place of TLS", () => answering((socket) => socket.resetAndDestroy()), "Network")
    test(
      "plain HTTP in place of TLS",
      () => answering((socket) => socket.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")),
      "NotTls"
    )
    test("a certificate of no trusted authority", () => Tls.createServer(certificates.server), "Certificate")
    test("a certificate of another name", () => Tls.createServer(certificates.server), "Certificate", {
      tls: { ca: certificates.ca, servername: "other.example" }
    })
    // TLS 1.3 tells after the client's side of the handshake, where the alert may lose a race against a reset.
    test(
      "a server that demands a certificate, over TLS 1.2",
      () =>
        Tls.createServer({
          ...certificates.server,
          ca: certificates.ca,
          requestCert: true,
          rejectUnauthorized: true,
          maxVersion: "TLSv1.2"
        }),
      "TlsSettings",
      { tls: { ca: certificates.ca } }
    )
    test(
      "a server that speaks old TLS alone",
      () => Tls.createServer({ ...certificates.server, minVersion: "TLSv1", maxVersion: "TLSv1.1" }),
      "TlsSettings",
      { tls: { ca: certificates.ca } }
    )
  })
})

const label = (failure: unknown): string => {
  const { code, status } = Object(failure) as { readonly code?: number; readonly status?: number }
  return `${Object(failure)._tag ?? String(failure)} ${status ?? code ?? ""} ${causeOf(failure)}`.trim()
}

const causeOf = (failure: unknown): string => {
  const { cause, code, reason } = Object(failure) as Record<"cause" | "code" | "reason", unknown>
  return typeof code === "string" ? code : cause === undefined && reason === undefined ? "" : causeOf(cause ?? reason)
}

const answering = (answer: (socket: Net.Socket) => void): Net.Server =>
  Net.createServer((socket) => {
    socket.on("error", () => {})
    socket.once("data", () => answer(socket))
  })

const listen = (server: Net.Server): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.on("tlsClientError", () => {})
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as Net.AddressInfo).port)))
    }),
    () => Effect.sync(() => void server.close())
  )

const connect = (port: number, options?: Client.ClientOptions): Effect.Effect<ConnectError> =>
  Effect.scoped(
    Effect.flip(Effect.provide(Client.connect(`wss://localhost:${port}/`, options), Client.layerDirect()))
  ).pipe(Effect.orDie)
