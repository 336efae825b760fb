/**
 * A server's certificate, those of its names, and the authorities of its clients are replaced while connections stay
 * open.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue, Redacted } from "effect"
import type { NetAddress } from "effect/net"
import * as NodeTls from "node:tls"
import { Dialer, hostPort } from "../src/Dialer.ts"
import type { PushSocket } from "../src/Push.ts"
import { peerInfo } from "../src/Push.ts"
import { PushSocketServer } from "../src/PushSocketServer.ts"
import * as Tls from "../src/Tls.ts"
import { ca, client, other, server, stranger } from "./certificates.ts"

const listen = (options?: Partial<Tls.ServerOptions>) => Tls.layerServer({ ...server, port: 0, ...options })

/** Accepts connections on the server in the context. Returns a dial function and the queue of accepted sockets. */
const accepting = Effect.gen(function* () {
  const { accept, address } = yield* PushSocketServer
  const accepted = yield* Queue.unbounded<PushSocket>()
  yield* Effect.forkScoped(accept((socket) => Queue.offerUnsafe(accepted, socket)))
  const dial = Effect.fnUntraced(function* (options: Tls.DialerOptions = {}) {
    const socket = yield* Effect.provide(
      Dialer.use((dialer) => dialer.dial(address)),
      Tls.layerDialer({ ca: [ca, stranger.cert] as ReadonlyArray<Tls.Pem>, ...options })
    )
    const { pull } = yield* socket.reader
    const far = yield* Queue.take(accepted)
    yield* Effect.addFinalizer(() => Effect.sync(() => far.writerUnsafe.destroy()))
    return { subject: peerInfo(socket)?.peerCertificate?.subject.CN, authorized: peerInfo(far)!.authorized, far, pull }
  })
  return { accepted, dial }
})

/**
 * Dials with the certificate of `client`, maybe with a session to resume, and waits for the first event of that name.
 */
const handshake = (event: "session" | "close", version: NodeTls.SecureVersion, session?: Buffer) =>
  Effect.flatMap(PushSocketServer, ({ address }) =>
    Effect.callback<Buffer>((resume) => {
      const socket = NodeTls.connect({
        ...hostPort(address as NetAddress.InetAddress),
        ca: ca as string,
        cert: client.cert as string,
        key: Redacted.value(client.key as Redacted.Redacted),
        ALPNProtocols: ["http/1.1"],
        minVersion: version,
        maxVersion: version,
        ...(session === undefined ? undefined : { session })
      })
      socket.on("error", () => {})
      socket.once(event, (given) => resume(Effect.succeed(given as Buffer)))
      return Effect.sync(() => socket.destroy())
    })
  )

describe("TlsServer", () => {
  it.live("replaces the certificate for those who come, and leaves those who are there", () =>
    Effect.gen(function* () {
      const { dial } = yield* accepting
      const before = yield* dial()
      assert.strictEqual(before.subject, "server")

      yield* (yield* Tls.TlsServer).setSecureContext(stranger)
      assert.strictEqual((yield* dial({ servername: "localhost" })).subject, "stranger")

      before.far.writerUnsafe.writeUnsafe(new TextEncoder().encode("still here"))
      const [chunk] = yield* before.pull
      assert.strictEqual(new TextDecoder().decode(chunk as Uint8Array), "still here")
    }).pipe(Effect.provide(listen()))
  )

  it.live("replaces the identities of names, also those with a wildcard", () =>
    Effect.gen(function* () {
      const { dial } = yield* accepting
      const insecure = { rejectUnauthorized: false }
      const subjectOf = (servername: string) => Effect.map(dial({ servername, ...insecure }), ({ subject }) => subject)
      assert.strictEqual(yield* subjectOf("OTHER.example"), "other")
      assert.strictEqual(yield* subjectOf("a.wild.example"), "client")
      assert.strictEqual(yield* subjectOf("a.b.wild.example"), "server")

      yield* (yield* Tls.TlsServer).setSecureContext({ ...server, sniIdentities: { "new.example": stranger } })
      assert.strictEqual(yield* subjectOf("new.example"), "stranger")
      assert.strictEqual(yield* subjectOf("other.example"), "server")
    }).pipe(Effect.provide(listen({ sniIdentities: { "other.example": other, "*.wild.example": client } })))
  )

  it.live("replaces the authorities of clients, and keeps them where none are given", () =>
    Effect.gen(function* () {
      const { dial } = yield* accepting
      const { setSecureContext } = yield* Tls.TlsServer
      assert.isTrue((yield* dial({ identity: client })).authorized)
      yield* setSecureContext(other)
      assert.isTrue((yield* dial({ identity: client, rejectUnauthorized: false })).authorized)
      yield* setSecureContext({ ...server, clientCa: stranger.cert })
      assert.isTrue((yield* dial({ identity: stranger })).authorized)
    }).pipe(Effect.provide(listen({ clientCa: ca })))
  )

  it.live("rejects clients of the authority that was replaced, and leaves those that are there", () =>
    Effect.gen(function* () {
      const { accepted, dial } = yield* accepting
      const before = yield* dial({ identity: client })
      const versions = ["TLSv1.2", "TLSv1.3"] as const
      const sessions = new Map<string, Buffer>()
      for (const version of versions) {
        sessions.set(version, yield* handshake("session", version))
        yield* Queue.take(accepted)
      }
      yield* (yield* Tls.TlsServer).setSecureContext({ ...server, clientCa: stranger.cert })

      const outcome = (version: NodeTls.SecureVersion, session?: Buffer) =>
        Effect.raceFirst(
          Effect.as(handshake("close", version, session), "rejected"),
          Effect.as(Queue.take(accepted), "accepted")
        )
      for (const version of versions) {
        assert.strictEqual(yield* outcome(version), "rejected", version)
        assert.strictEqual(yield* outcome(version, sessions.get(version)), "rejected", `${version}, session resumed`)
      }
      assert.isTrue((yield* dial({ identity: stranger })).authorized)

      before.far.writerUnsafe.writeUnsafe(new TextEncoder().encode("still here"))
      const [chunk] = yield* before.pull
      assert.strictEqual(new TextDecoder().decode(chunk as Uint8Array), "still here")
    }).pipe(Effect.provide(listen({ clientCa: ca })))
  )

  it.live("refuses what cannot be used, and goes on as before", () =>
    Effect.gen(function* () {
      const { dial } = yield* accepting
      const { setSecureContext } = yield* Tls.TlsServer
      const message = (credentials: Tls.Credentials) =>
        Effect.map(Effect.flip(setSecureContext(credentials)), (error) => {
          assert.strictEqual(error._tag, "InvalidCredentials")
          assert.notInclude(JSON.stringify(error), "PRIVATE KEY")
          return error.message
        })
      assert.match(yield* message({ ...stranger, key: other.key }), /^invalid TLS credentials: .*key values mismatch/)
      assert.match(yield* message({ ...stranger, sniIdentities: { a: { ...other, cert: "no PEM" } } }), /PEM/i)
      assert.match(yield* message({ ...stranger, clientCa: ca }), /clientCa: .*without/)
      assert.match(
        yield* message({ cert: undefined as never, key: Redacted.make("") }),
        /cert: expected PEM text or bytes, found undefined/
      )
      assert.strictEqual((yield* dial()).subject, "server")
    }).pipe(Effect.provide(listen()))
  )

  it.live("says that a certificate is missing, when the server starts", () =>
    Effect.gen(function* () {
      const missing = Tls.layerServer({ port: 0, cert: process.env["NO_SUCH_CERT"]!, key: Redacted.make("") })
      const error = yield* Effect.flip(Effect.provide(Tls.TlsServer, missing))
      assert.strictEqual(
        error.message,
        "cannot listen on 127.0.0.1:0: cert: expected PEM text or bytes, found undefined"
      )
    })
  )
})
