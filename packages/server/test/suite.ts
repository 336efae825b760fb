/**
 * What every server of ours does, over every transport: both ends are ours, and both are held to their contract.
 *
 * A case provides a network and a kind of server; nothing in here knows which. What other programs do to a server is
 * tested elsewhere: `RawPeer.test.ts`, `otherPeers.test.ts`, `hostile.test.ts`.
 */
import type * as Accept from "@effect-ws/connection/Accept"
import type { Connection } from "@effect-ws/connection/Connection"
import type { Handler } from "@effect-ws/connection/ConnectionHandler"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as Frame from "@effect-ws/protocol/Frame"
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import * as Message from "@effect-ws/protocol/Message"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import { Dialer } from "@effect-ws/transport/Dialer"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Latch, Layer, Queue, Scope, Stream } from "effect"
import type { SocketServer } from "effect/socket"
import type * as WebSocketServer from "../src/WebSocketServer.ts"
import { captureLogs, connect, echo, patterned, receiveText } from "@effect-ws/test-peers/Programs"
import type { ClientOptions, Entry } from "@effect-ws/test-peers/Programs"
import type { Transport } from "./support/transports.ts"
import { start } from "./support/variants.ts"
import type { Variant } from "./support/variants.ts"

type Requirements = SocketServer.SocketServer | Dialer | Scope.Scope

const errorOf = <A, E>(exit: Exit.Exit<A, E>): E | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  const found = Cause.findError(exit.cause)
  return found._tag === "Success" ? found.success : undefined
}

/** What is worth comparing of a record of a close. */
const record = ({ clean, error, initiator, received, sent, violation }: CloseInfo) => ({
  initiator,
  sent: sent === undefined ? undefined : `${sent.code ?? "none"} ${sent.reason}`.trimEnd(),
  received: received === undefined ? undefined : `${received.code ?? "none"} ${received.reason}`.trimEnd(),
  clean,
  violation: violation?.rule,
  error: error.message
})

export const directSuite = (transport: Transport, variant: Variant<Handler<unknown>>): void => {
  const serve = (
    handler: Handler<unknown>,
    options?: WebSocketServer.ServerOptions
  ): Effect.Effect<WebSocketServer.WebSocketServer["Service"], never, SocketServer.SocketServer | Scope.Scope> =>
    start(variant.layer(handler, options))

  const test = (name: string, program: Effect.Effect<void, unknown, Requirements>): void => {
    it.live(
      name,
      () => {
        const logs: Array<Entry> = []
        return program.pipe(Effect.scoped, Effect.provide([Layer.fresh(transport.layer), captureLogs(logs)]))
      },
      10_000
    )
  }

  /** A server whose end of the first connection the test holds. */
  const bothEnds = Effect.fnUntraced(function* (
    options?: WebSocketServer.ServerOptions & { readonly client?: Parameters<typeof connect>[1] }
  ) {
    const accepted = yield* Queue.unbounded<Connection>()
    const over = yield* Latch.make()
    const server = yield* serve((connection) => Effect.andThen(Queue.offer(accepted, connection), over.await), options)
    const near = yield* connect(server, options?.client)
    const far = yield* Queue.take(accepted)
    yield* Effect.addFinalizer(() => over.open)
    return { server, near, far, finish: over.open }
  })

  describe(`${transport.name}, ${variant.name} server`, () => {
    describe("messages", () => {
      test(
        "are echoed: text, binary, empty, and of every length around the edges of a header",
        Effect.gen(function* () {
          const server = yield* serve(echo)
          const client = yield* connect(server)
          for (const text of ["hello", "", "\u0000\uFEFF\uFFFF", "Grüße 👋", "a".repeat(70_000)]) {
            yield* client.send(text)
            assert.deepStrictEqual(yield* client.receive, Message.text(text))
          }
          for (const length of [0, 1, 125, 126, 127, 65_535, 65_536]) {
            const bytes = patterned(length)
            yield* client.send(bytes)
            const message = yield* client.receive
            assert.isTrue(message._tag === "Binary" && Buffer.compare(message.data, bytes) === 0, `${length} bytes`)
          }
        })
      )

      test(
        "of a large size are echoed, and control frames pass afterwards",
        Effect.gen(function* () {
          const server = yield* serve(echo)
          const client = yield* connect(server)
          const bytes = patterned(transport.large)
          for (const length of [20_000, 40_000, transport.large]) {
            yield* client.send(bytes.subarray(0, length))
            const message = yield* client.receive
            assert.isTrue(
              message._tag === "Binary" && Buffer.compare(message.data, bytes.subarray(0, length)) === 0,
              `${length} bytes`
            )
            yield* client.ping()
          }
        })
      )

      test(
        "keep their order under pipelining",
        Effect.gen(function* () {
          const server = yield* serve(echo)
          const client = yield* connect(server)
          const count = 2000
          yield* Effect.forkScoped(
            Effect.forEach(
              Array.from({ length: count }, (_, n) => `${n}`),
              (text) => client.send(text)
            )
          )
          const texts = yield* client.messages.pipe(
            Stream.take(count),
            Stream.map((message) => message.data),
            Stream.runCollect
          )
          assert.deepStrictEqual(
            texts,
            Array.from({ length: count }, (_, n) => `${n}`)
          )
        })
      )

      test(
        "sent from many fibers arrive whole",
        Effect.gen(function* () {
          const server = yield* serve(echo)
          const client = yield* connect(server)
          const bodies = Array.from({ length: 20 }, (_, n) => String.fromCharCode(65 + n).repeat(5000))
          yield* Effect.forEach(
            bodies,
            (body, n) => (n % 2 === 0 ? client.send(body, { fragmentSize: 100 }) : client.send(body)),
            { concurrency: "unbounded" }
          )
          const back = yield* client.messages.pipe(
            Stream.take(bodies.length),
            Stream.map((message) => String(message.data)),
            Stream.runCollect
          )
          assert.deepStrictEqual(back.toSorted(), bodies)
        })
      )

      test(
        "are cut into fragments by size, and joined again",
        Effect.gen(function* () {
          const { far, near } = yield* bothEnds()
          yield* near.send("0123456789", { fragmentSize: 4 })
          const frames = yield* far.frames.pipe(Stream.take(3), Stream.runCollect)
          assert.deepStrictEqual(
            frames.map((frame) => [frame.opcode, frame.fin, new TextDecoder().decode(frame.payload)]),
            [
              [1, false, "0123"],
              [0, false, "4567"],
              [0, true, "89"]
            ]
          )
          yield* near.send(patterned(1000), { fragmentSize: 1 })
          const message = yield* far.receive
          assert.isTrue(message._tag === "Binary" && Buffer.compare(message.data, patterned(1000)) === 0)
        })
      )

      test(
        "in text that cuts characters in half are whole again",
        Effect.gen(function* () {
          const server = yield* serve(echo)
          const client = yield* connect(server)
          const text = "aé€👋".repeat(50)
          yield* client.send(text, { fragmentSize: 1 })
          assert.strictEqual(yield* receiveText(client), text)
        })
      )
    })

    describe("streams", () => {
      test(
        "go both ways, piece by piece, with pings between the pieces",
        Effect.gen(function* () {
          const server = yield* serve((connection) =>
            Effect.forever(
              Effect.flatMap(connection.receiveStream, (message): Effect.Effect<void, unknown> =>
                connection.sendStream(message)
              )
            )
          )
          const client = yield* connect(server)
          const pieces = yield* Queue.unbounded<string, Cause.Done>()
          yield* Effect.forkScoped(client.sendStream({ _tag: "Text", chunks: Stream.fromQueue(pieces) }))
          const back = yield* Queue.unbounded<string, Cause.Done>()
          yield* Effect.forkScoped(
            Effect.gen(function* () {
              const message = yield* client.receiveStream
              assert.strictEqual(message._tag, "Text")
              if (message._tag === "Text") yield* Stream.runForEach(message.chunks, (text) => Queue.offer(back, text))
              yield* Queue.end(back)
            })
          )
          // Each piece comes back before the next is made: nothing is held until the message is complete.
          for (const piece of ["one", "zwei", "três", "\u{1F44B}"]) {
            yield* Queue.offer(pieces, piece)
            let got = ""
            while (got.length < piece.length) got += yield* Queue.take(back)
            assert.strictEqual(got, piece)
            yield* client.ping()
          }
          yield* Queue.end(pieces)
          assert.deepStrictEqual((yield* Stream.runCollect(Stream.fromQueue(back))).join(""), "")
        })
      )

      test(
        "of bytes carry more than a buffer holds",
        Effect.gen(function* () {
          const { far, near } = yield* bothEnds()
          const piece = patterned(10_000)
          const count = Math.ceil(transport.large / piece.length)
          yield* Effect.forkScoped(
            near.sendStream({ _tag: "Binary", chunks: Stream.map(Stream.range(1, count), () => piece) })
          )
          const message = yield* far.receiveStream
          assert.strictEqual(message._tag, "Binary")
          const size = yield* message._tag === "Binary"
            ? Stream.runFold(
                message.chunks,
                () => 0,
                (sum, bytes) => sum + bytes.length
              )
            : Effect.succeed(0)
          assert.strictEqual(size, count * piece.length)
        })
      )

      test(
        "that are abandoned skip to the next message",
        Effect.gen(function* () {
          const { far, near } = yield* bothEnds()
          yield* Effect.forkScoped(
            Effect.gen(function* () {
              yield* near.send(patterned(50_000), { fragmentSize: 1000 })
              yield* near.send("next")
              yield* near.send("pieces", { fragmentSize: 2 })
              yield* near.send("last")
            })
          )
          const first = yield* far.receiveStream
          const head = yield* first._tag === "Binary" ? Stream.runHead(first.chunks) : Effect.die("expected bytes")
          assert.strictEqual(head._tag, "Some")
          assert.strictEqual(yield* receiveText(far), "next")
          yield* far.receiveStream
          assert.strictEqual(yield* receiveText(far), "last")
        })
      )

      test(
        "that fail take the connection with them, since half a message cannot be taken back",
        Effect.gen(function* () {
          const { far, near } = yield* bothEnds()
          const failed = yield* Effect.exit(
            near.sendStream({
              _tag: "Text",
              chunks: Stream.concat(Stream.make("half"), Stream.fail("broken" as const))
            })
          )
          assert.strictEqual(errorOf(failed), "broken")
          const seen = yield* Effect.flip(far.receive)
          assert.strictEqual(seen._tag, "InternalError")
        })
      )
    })

    describe("frames", () => {
      test(
        "are sent with every field by hand, and refused where they would break the protocol",
        Effect.gen(function* () {
          const { far, near } = yield* bothEnds()
          const maskingKey = new Uint8Array([1, 2, 3, 4])
          yield* near.sendFrame(Frame.text("a", { fin: false, maskingKey }))
          const inside = yield* Effect.flip(near.send("no"))
          assert.isTrue(inside._tag === "SendError" && inside.rule === "InterruptedMessage")
          yield* near.sendFrame(Frame.continuation("b", { fin: false }))
          yield* near.sendFrame(Frame.continuation("c"))
          assert.strictEqual(yield* receiveText(far), "abc")
          for (const [frame, rule] of [
            [Frame.text("x", { rsv1: true }), "UnnegotiatedRsvBit"],
            [Frame.make(3, "x"), "ReservedOpcode"],
            [Frame.continuation("x"), "UnexpectedContinuation"],
            [Frame.ping("x", { fin: false }), "FragmentedControlFrame"],
            [Frame.ping("x".repeat(126)), "ControlFrameTooLong"],
            [Frame.close(new Uint8Array([0x03, 0xed])), "InvalidCloseCode"]
          ] as const) {
            const misuse = yield* Effect.flip(far.sendFrame(frame))
            assert.isTrue(misuse._tag === "SendError" && misuse.rule === rule, `${rule}: ${misuse.message}`)
          }
          yield* far.send("still open")
          assert.strictEqual(yield* receiveText(near), "still open")
        })
      )

      test(
        "that break the protocol can be sent unchecked, and fail the peer with the name of the rule",
        Effect.gen(function* () {
          const { far, near } = yield* bothEnds()
          yield* near.send("before")
          yield* near.sendFrame(Frame.make(3, "x"), { unchecked: true })
          assert.strictEqual(yield* receiveText(far), "before")
          assert.strictEqual((yield* Effect.flip(far.receive))._tag, "ProtocolError")
          const closed = record(yield* far.closed)
          assert.strictEqual(closed.violation, "ReservedOpcode")
          assert.strictEqual(closed.initiator, "local")
          assert.strictEqual((yield* near.closed).error._tag, "ProtocolError")
        })
      )
    })

    describe("pings", () => {
      test(
        "give the round trip, both ways",
        Effect.gen(function* () {
          const { far, near } = yield* bothEnds()
          for (const end of [near, far]) {
            assert.isUndefined(end.latency)
            const roundTrip = yield* end.ping(new Uint8Array([1, 2, 3]))
            assert.isTrue(Duration.isGreaterThan(roundTrip, Duration.zero))
            assert.deepStrictEqual(end.latency, roundTrip)
            yield* end.pong()
            yield* Effect.all([end.ping(), end.ping(), end.ping()], { concurrency: "unbounded" })
          }
          const misuse = yield* Effect.flip(near.ping(new Uint8Array(126)))
          assert.strictEqual(misuse._tag, "SendError")
        })
      )

      test(
        "that wait when the connection ends fail with its end",
        Effect.gen(function* () {
          const { far, near } = yield* bothEnds()
          // The far end is closed before it can answer.
          const ping = yield* Effect.forkChild(Effect.flip(near.ping()), { startImmediately: true })
          yield* far.abort()
          const error = yield* Fiber.join(ping)
          assert.strictEqual(error._tag, "AbnormalClosure")
        })
      )
    })

    describe("closing", () => {
      for (const by of ["client", "server"] as const) {
        const ends = Effect.map(bothEnds(), ({ far, finish, near }) =>
          by === "client" ? { closer: near, other: far, finish } : { closer: far, other: near, finish }
        )

        test(
          `by the ${by} with a code of the application: typed there, clean on both sides`,
          Effect.gen(function* () {
            const { closer, other } = yield* ends
            const seen = yield* Effect.forkChild(Effect.flip(Stream.runDrain(other.messages)))
            const own = record(yield* closer.close(4001, "see you"))
            assert.deepStrictEqual(own, {
              initiator: "local",
              sent: "4001 see you",
              received: "4001 see you",
              clean: true,
              violation: undefined,
              error: "4001 ApplicationClose: see you"
            })
            assert.deepStrictEqual(
              yield* Fiber.join(seen),
              new CloseError.ApplicationClose({ code: 4001, reason: "see you" })
            )
            const theirs = record(yield* other.closed)
            assert.deepStrictEqual(theirs, { ...own, initiator: "remote" })
          })
        )

        for (const [code, error] of [
          [1000, "1000 NormalClosure"],
          [1001, "1001 GoingAway"]
        ] as const) {
          test(
            `by the ${by} with ${code} ends the messages`,
            Effect.gen(function* () {
              const { closer, other } = yield* ends
              yield* closer.send("last")
              yield* Effect.forkChild(closer.close(code), { startImmediately: true })
              const messages = yield* Stream.runCollect(other.messages)
              assert.deepStrictEqual(messages, [Message.text("last")])
              assert.strictEqual((yield* Effect.flip(other.receive)).message, error)
              assert.strictEqual((yield* Effect.flip(other.send("late"))).message, error)
              assert.strictEqual((yield* other.closed).clean, true)
            })
          )
        }

        test(
          `by the ${by} without a code ends the messages`,
          Effect.gen(function* () {
            const { closer, other } = yield* ends
            yield* closer.sendFrame(Frame.close())
            assert.deepStrictEqual(yield* Stream.runCollect(other.messages), [])
            const closed = record(yield* other.closed)
            assert.deepStrictEqual(closed, {
              initiator: "remote",
              sent: "none",
              received: "none",
              clean: true,
              violation: undefined,
              error: "1005 NoStatusReceived"
            })
          })
        )

        test(
          `by abort of the ${by} is 1006 on both sides`,
          Effect.gen(function* () {
            const { closer, other } = yield* ends
            const waiting = yield* Effect.forkChild(Effect.flip(other.receive))
            yield* closer.abort("enough")
            assert.strictEqual((yield* closer.closed).error.message, "1006 AbnormalClosure: enough")
            assert.strictEqual((yield* Fiber.join(waiting))._tag, "AbnormalClosure")
            const closed = yield* other.closed
            assert.deepStrictEqual([closed.initiator, closed.clean], ["transport", false])
          })
        )

        test(
          `by the ${by} with what may not be sent is misuse, and changes nothing`,
          Effect.gen(function* () {
            const { closer, other } = yield* ends
            for (const code of [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, Number.NaN]) {
              assert.strictEqual((yield* Effect.flip(closer.close(code))).rule, "InvalidCloseCode")
            }
            assert.strictEqual((yield* Effect.flip(closer.close(1000, "ü".repeat(62)))).rule, "CloseReasonTooLong")
            yield* closer.send("still open")
            assert.strictEqual(yield* receiveText(other), "still open")
          })
        )
      }

      test(
        "by both ends at once is clean",
        Effect.gen(function* () {
          const { far, near } = yield* bothEnds()
          const [ours, theirs] = yield* Effect.all([near.close(4001, "a"), far.close(4002, "b")], {
            concurrency: "unbounded"
          })
          assert.isTrue(ours.clean && theirs.clean)
          assert.deepStrictEqual([ours.sent?.code, theirs.sent?.code], [4001, 4002])
        })
      )

      test(
        "twice gives the same record",
        Effect.gen(function* () {
          const { near } = yield* bothEnds()
          const first = yield* near.close(4001)
          assert.deepStrictEqual(record(yield* near.close(4002)), record(first))
        })
      )

      test(
        "waits for the reply to what came before it",
        Effect.gen(function* () {
          const server = yield* serve(echo)
          const client = yield* connect(server)
          for (let n = 0; n < 100; n++) yield* client.send(`${n}`)
          yield* client.sendFrame(Frame.close(new Uint8Array([0x03, 0xe8])))
          // RFC 6455 5.5.1: a peer may send until it has sent its own close frame.
          const back = yield* Stream.runCollect(client.messages)
          assert.deepStrictEqual(
            back.map(({ data }) => data),
            Array.from({ length: 100 }, (_, n) => `${n}`)
          )
          assert.deepStrictEqual(record(yield* client.closed).received, "1000")
        })
      )
    })

    describe("a handler", () => {
      const closeOf = (handler: Handler<unknown>, options?: WebSocketServer.ServerOptions) =>
        Effect.gen(function* () {
          const server = yield* serve(handler, options)
          const client = yield* connect(server)
          return record(yield* client.closed)
        }).pipe(Effect.scoped, Effect.provide(Layer.fresh(transport.layer)))

      test(
        "that returns closes with 1000",
        Effect.gen(function* () {
          assert.strictEqual((yield* closeOf(() => Effect.void)).received, "1000")
        })
      )

      test(
        "that fails with a typed close closes with its code and reason",
        Effect.gen(function* () {
          const policy = yield* closeOf(() => Effect.fail(new CloseError.PolicyViolation({ reason: "no bots" })))
          assert.deepStrictEqual([policy.received, policy.error], ["1008 no bots", "1008 PolicyViolation: no bots"])
          const application = yield* closeOf(() =>
            Effect.fail(new CloseError.ApplicationClose({ code: 4711, reason: "" }))
          )
          assert.strictEqual(application.received, "4711")
        })
      )

      test(
        "that fails with a close which cannot be sent closes with 1011",
        Effect.gen(function* () {
          assert.strictEqual((yield* closeOf(() => Effect.fail(new CloseError.AbnormalClosure({})))).received, "1011")
        })
      )

      test(
        "that is interrupted closes with 1001",
        Effect.gen(function* () {
          assert.strictEqual((yield* closeOf(() => Effect.interrupt)).received, "1001")
        })
      )

      for (const [how, failure] of [
        ["fails", Effect.fail(new Error("a secret"))],
        ["dies", Effect.die(new Error("a secret"))],
        [
          "throws",
          Effect.sync((): never => {
            throw new Error("a secret")
          })
        ]
      ] as const) {
        it.live(`that ${how} closes with 1011, is logged with its cause, and others notice nothing`, () => {
          const logs: Array<Entry> = []
          return Effect.gen(function* () {
            const server = yield* serve((connection) =>
              Effect.flatMap(connection.receive, (message): Effect.Effect<void, unknown> =>
                message.data === "break" ? failure : Effect.andThen(connection.send(message), echo(connection))
              )
            )
            const other = yield* connect(server)
            const client = yield* connect(server)
            yield* other.send("one")
            assert.strictEqual(yield* receiveText(other), "one")
            yield* client.send("break")
            const closed = record(yield* client.closed)
            assert.deepStrictEqual([closed.received, closed.clean], ["1011", true])
            yield* other.send("two")
            assert.strictEqual(yield* receiveText(other), "two")
            const errors = logs.filter(({ level }) => level === "Error")
            assert.deepStrictEqual(
              errors.map(({ message }) => message),
              ["The handler failed"]
            )
            assert.include(Cause.pretty(errors[0]!.cause), "a secret")
          }).pipe(Effect.scoped, Effect.provide([Layer.fresh(transport.layer), captureLogs(logs)]))
        })
      }

      test(
        "has its Scope closed when the connection is over",
        Effect.gen(function* () {
          const released = yield* Deferred.make<void>()
          const handler: Handler<unknown, Scope.Scope> = (connection) =>
            Effect.andThen(
              Effect.addFinalizer(() => Deferred.succeed(released, undefined)),
              echo(connection)
            )
          const server = yield* serve((connection) => Effect.scoped(handler(connection)))
          const client = yield* connect(server)
          yield* client.close()
          yield* Deferred.await(released)
        })
      )

      test(
        "may close while another fiber of its waits for a message",
        Effect.gen(function* () {
          const server = yield* serve((connection) =>
            Effect.gen(function* () {
              const waiting = yield* Effect.forkChild(Effect.flip(connection.receive), { startImmediately: true })
              yield* connection.close(4000, "done")
              const error = yield* Fiber.join(waiting)
              assert.strictEqual(error.code, 4000)
            })
          )
          const client = yield* connect(server)
          assert.strictEqual((yield* client.closed).received?.code, 4000)
        })
      )
    })

    describe("the handshake", () => {
      const refusal = (server: WebSocketServer.WebSocketServer["Service"], options?: Parameters<typeof connect>[1]) =>
        Effect.flatMap(Effect.flip(connect(server, options)), (error) =>
          error._tag === "HandshakeError"
            ? Effect.succeed({ rule: error.rule, status: error.status, headers: error.headers })
            : Effect.die(error)
        )

      test(
        "agrees on a subprotocol, the server's favourite of those offered",
        Effect.gen(function* () {
          const { far, near } = yield* bothEnds({
            subprotocols: ["two", "one"],
            client: { subprotocols: ["one", "two", "three"] }
          })
          assert.deepStrictEqual([near.subprotocol, far.subprotocol], ["two", "two"])
        })
      )

      test(
        "goes on without a subprotocol where none is common",
        Effect.gen(function* () {
          const { far, near } = yield* bothEnds({ subprotocols: ["two"], client: { subprotocols: ["one"] } })
          assert.deepStrictEqual([near.subprotocol, far.subprotocol], [undefined, undefined])
        })
      )

      test(
        "refuses unknown paths",
        Effect.gen(function* () {
          const server = yield* serve(echo, { paths: ["/chat"] })
          assert.strictEqual((yield* refusal(server, { target: "/other" })).status, 404)
          const client = yield* connect(server, { target: "/chat?room=1" })
          assert.deepStrictEqual([client.request.path, client.request.query], ["/chat", "room=1"])
        })
      )

      test(
        "takes pages of the same origin unless told otherwise",
        Effect.gen(function* () {
          const origin = transport.secure ? "https://localhost" : "http://localhost"
          const server = yield* serve(echo)
          assert.strictEqual((yield* refusal(server, { origin: "https://evil.example" })).status, 403)
          yield* connect(server, { origin })
          yield* connect(server)
        })
      )

      test(
        "takes the origins that are listed, or any",
        Effect.gen(function* () {
          const listed = yield* serve(echo, { origins: ["https://good.example"] })
          assert.strictEqual((yield* refusal(listed, { origin: "https://evil.example" })).status, 403)
          yield* connect(listed, { origin: "https://good.example" })
        })
      )

      for (const [name, options, refused, accepted] of [
        ["the path", { paths: ["/chat"] }, { target: "/other" }, { target: "/chat" }],
        ["the origin", {}, { origin: "https://evil.example" }, {}],
        [
          "the listed origins",
          { origins: ["https://good.example"] },
          { origin: "https://evil.example" },
          { origin: "https://good.example" }
        ],
        ["no origin where any will do", { origins: "any" }, undefined, { origin: "https://evil.example" }]
      ] satisfies ReadonlyArray<
        readonly [string, WebSocketServer.ServerOptions, ClientOptions | undefined, ClientOptions]
      >) {
        test(
          `checks ${name} before the program decides`,
          Effect.gen(function* () {
            let asked = 0
            const server = yield* serve(echo, { ...options, decide: () => Effect.sync(() => (asked++, {})) })
            if (refused !== undefined) {
              assert.strictEqual((yield* refusal(server, refused)).status, "target" in refused ? 404 : 403)
            }
            assert.strictEqual(asked, 0)
            yield* connect(server, accepted)
            assert.strictEqual(asked, 1)
          })
        )
      }

      test(
        "agrees on a subprotocol of the options where the program decides on none",
        Effect.gen(function* () {
          const decide: Accept.Decide = ({ path }) => Effect.succeed(path === "/a" ? { subprotocol: "a" } : {})
          const server = yield* serve(echo, { decide, subprotocols: ["b", "a"] })
          const chosen = (target: string) =>
            Effect.map(connect(server, { target, subprotocols: ["a", "b"] }), ({ subprotocol }) => subprotocol)
          assert.deepStrictEqual([yield* chosen("/a"), yield* chosen("/")], ["a", "b"])
        })
      )

      test(
        "is decided by the program, with headers of its own",
        Effect.gen(function* () {
          const server = yield* serve(echo, {
            decide: (request) =>
              request.query === "token=right"
                ? Effect.succeed({ headers: { "Set-Cookie": ["a=b", "c=d"] }, subprotocol: "chat" })
                : Effect.fail(
                    new HandshakeRejection.HandshakeRejection({
                      status: 401,
                      reason: "who are you?",
                      headers: [{ name: "WWW-Authenticate", value: "Basic" }]
                    })
                  )
          })
          const refused = yield* refusal(server)
          assert.strictEqual(refused.status, 401)
          assert.strictEqual(HeaderFields.get(refused.headers, "WWW-Authenticate"), "Basic")
          const client = yield* connect(server, { target: "/?token=right", subprotocols: ["chat"] })
          assert.strictEqual(client.subprotocol, "chat")
          const cookies = HeaderFields.getAll(client.response?.headers ?? [], "Set-Cookie")
          assert.deepStrictEqual(cookies, ["a=b", "c=d"])
        })
      )

      test(
        "answers 500 where the decision cannot be carried out or dies, and the server lives",
        Effect.gen(function* () {
          const server = yield* serve(echo, {
            decide: (request) =>
              request.path === "/unoffered"
                ? Effect.succeed({ subprotocol: "never offered" })
                : request.path === "/dies"
                  ? Effect.die(new Error("a secret"))
                  : Effect.succeed({})
          })
          assert.strictEqual((yield* refusal(server, { target: "/unoffered" })).status, 500)
          assert.strictEqual((yield* refusal(server, { target: "/dies" })).status, 500)
          yield* connect(server)
        })
      )

      test(
        "shows the handler the request, its headers and the peer's address",
        Effect.gen(function* () {
          const { far } = yield* bothEnds({
            client: { target: "/a/b?c=d", headers: [{ name: "X-Custom", value: "yes" }] }
          })
          const { request } = far
          assert.deepStrictEqual([request.path, request.query, request.host], ["/a/b", "c=d", "localhost"])
          assert.strictEqual(HeaderFields.get(request.headers, "X-Custom"), "yes")
          if (transport.hasPorts) {
            assert.strictEqual(far.remoteAddress?._tag, "InetAddressV4")
          }
        })
      )

      test(
        "fails on our side when we ask for what cannot be asked",
        Effect.gen(function* () {
          const server = yield* serve(echo)
          const error = yield* Effect.flip(connect(server, { subprotocols: ["not a token"] }))
          assert.strictEqual(error._tag, "HandshakeConfigError")
        })
      )
    })

    describe("limits", () => {
      const violation = (
        options: WebSocketServer.ServerOptions,
        send: (connection: Connection) => Effect.Effect<unknown, unknown>
      ) =>
        Effect.gen(function* () {
          const { far, near } = yield* bothEnds(options)
          yield* Effect.exit(send(near))
          const [ours, theirs] = [record(yield* far.closed), yield* near.closed]
          assert.isTrue(theirs.clean)
          return [ours.sent?.slice(0, 4), ours.violation, theirs.error._tag]
        })

      test(
        "hold for a message, at its last byte",
        Effect.gen(function* () {
          const { far, near } = yield* bothEnds({ maxMessageSize: 1000 })
          yield* near.send("x".repeat(1000))
          assert.strictEqual((yield* receiveText(far)).length, 1000)
          yield* near.send("x".repeat(1001))
          assert.strictEqual((yield* Effect.flip(far.receive))._tag, "MessageTooBig")
          assert.strictEqual((yield* near.closed).received?.code, 1009)
        })
      )

      test(
        "hold for a message in fragments",
        Effect.gen(function* () {
          assert.deepStrictEqual(
            yield* violation({ maxMessageSize: 1000 }, (near) => near.send("x".repeat(1001), { fragmentSize: 100 })),
            ["1009", "MessageTooBig", "MessageTooBig"]
          )
        })
      )

      test(
        "hold for a frame",
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* violation({ maxFrameSize: 100 }, (near) => near.send("x".repeat(101))), [
            "1009",
            "FrameTooBig",
            "MessageTooBig"
          ])
        })
      )

      test(
        "hold for the number of fragments",
        Effect.gen(function* () {
          assert.deepStrictEqual(
            yield* violation({ maxFragments: 3 }, (near) => near.send("1234", { fragmentSize: 1 })),
            ["1008", "TooManyFragments", "PolicyViolation"]
          )
        })
      )

      test(
        "hold for open connections, which count until they are gone",
        Effect.gen(function* () {
          const server = yield* serve(echo, { maxConnections: 2 })
          const first = yield* connect(server)
          yield* connect(server)
          const error = yield* Effect.flip(connect(server))
          assert.isTrue(error._tag === "HandshakeError" && error.status === 503)
          yield* first.close()
          const gone = Effect.repeat(server.connections, { until: (connections) => connections.length < 2 })
          yield* gone
          const third = yield* connect(server)
          yield* third.send("in")
          assert.strictEqual(yield* receiveText(third), "in")
        })
      )

      test(
        "hold for handshakes under way",
        Effect.gen(function* () {
          const decided = yield* Latch.make()
          const asked = yield* Deferred.make<void>()
          const server = yield* serve(echo, {
            maxHandshakes: 1,
            decide: () => Effect.as(Effect.andThen(Deferred.succeed(asked, undefined), decided.await), {})
          })
          const first = yield* Effect.forkChild(connect(server), { startImmediately: true })
          yield* Deferred.await(asked)
          const error = yield* Effect.flip(connect(server))
          assert.isTrue(error._tag === "HandshakeError" && error.status === 503)
          yield* decided.open
          yield* Fiber.join(first)
          yield* connect(server)
        })
      )
    })

    describe("the server", () => {
      test(
        "lists the connections that are open",
        Effect.gen(function* () {
          const { far, server } = yield* bothEnds()
          assert.deepStrictEqual(
            (yield* server.connections).map(({ id }) => id),
            [far.id]
          )
        })
      )

      test(
        "drains: answers first, then says goodbye, and refuses new handshakes meanwhile",
        Effect.gen(function* () {
          const working = yield* Deferred.make<void>()
          const finish = yield* Latch.make()
          const server = yield* serve((connection) =>
            Stream.runForEach(connection.messages, (message) =>
              Deferred.succeed(working, undefined).pipe(
                Effect.andThen(finish.await),
                Effect.andThen(connection.send(message))
              )
            )
          )
          const client = yield* connect(server)
          const idle = yield* connect(server)
          yield* client.send("one")
          yield* client.send("two")
          yield* Deferred.await(working)
          // Its pong says that both messages are there.
          yield* client.ping()
          const draining = yield* Effect.forkChild(server.drain({ timeout: "10 seconds" }), { startImmediately: true })
          assert.strictEqual((yield* idle.closed).received?.code, 1001)
          const error = yield* Effect.flip(connect(server))
          assert.isTrue(error._tag === "HandshakeError" && error.status === 503)
          yield* finish.open
          assert.deepStrictEqual(
            (yield* Stream.runCollect(client.messages)).map(({ data }) => data),
            ["one", "two"]
          )
          const closed = record(yield* client.closed)
          assert.deepStrictEqual([closed.received, closed.clean], ["1001 server shutting down", true])
          yield* Fiber.join(draining)
          assert.deepStrictEqual(yield* server.connections, [])
        })
      )

      test(
        "drains with the code and reason that it is told",
        Effect.gen(function* () {
          const server = yield* serve(echo)
          const client = yield* connect(server)
          yield* server.drain({ code: 1012, reason: "back in a minute" })
          assert.strictEqual(record(yield* client.closed).received, "1012 back in a minute")
        })
      )

      test(
        "drains a handshake that was under way when it began",
        Effect.gen(function* () {
          const decided = yield* Latch.make()
          const asked = yield* Deferred.make<void>()
          const server = yield* serve(echo, {
            decide: () => Effect.as(Effect.andThen(Deferred.succeed(asked, undefined), decided.await), {})
          })
          const connecting = yield* Effect.forkChild(connect(server), { startImmediately: true })
          yield* Deferred.await(asked)
          yield* server.drain()
          yield* decided.open
          const client = yield* Fiber.join(connecting)
          assert.strictEqual(record(yield* client.closed).received, "1001 server shutting down")
        })
      )

      test(
        "drains when its Scope is closed",
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const server = yield* Scope.provide(serve(echo), scope)
          const client = yield* connect(server)
          yield* client.send("answer me")
          yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
          const closed = record(yield* client.closed)
          assert.deepStrictEqual([closed.received, closed.clean], ["1001 server shutting down", true])
        })
      )

      if (!transport.seesRequests) return
      test(
        "answers what is no handshake, where it was told how",
        Effect.gen(function* () {
          const body = new TextEncoder().encode("<h1>hello</h1>")
          const server = yield* serve(echo, {
            respond: (request) =>
              request.target === "/"
                ? { status: 200, headers: { "Content-Length": `${body.length}` }, body }
                : undefined
          })
          const get = (
            method: string,
            target: string,
            { headers = [], version = "HTTP/1.1" }: { headers?: ReadonlyArray<string>; version?: string } = {}
          ) =>
            Effect.scoped(
              Effect.gen(function* () {
                const dialer = yield* Dialer
                const socket = yield* dialer.dial(server.address)
                const { pull } = yield* socket.reader
                const { write } = yield* socket.writer
                const lines = headers.length === 0 ? ["Host: localhost"] : headers
                yield* write([`${method} ${target} ${version}`, ...lines, "", ""].join("\r\n"))
                let text = ""
                yield* Effect.ignore(
                  Effect.forever(
                    Effect.map(pull, (chunks) => {
                      for (const chunk of chunks) text += new TextDecoder().decode(chunk as Uint8Array)
                    })
                  )
                )
                return text
              })
            )
          assert.match(yield* get("GET", "/"), /^HTTP\/1\.1 200 [^]*\r\nConnection: close\r\n\r\n<h1>hello<\/h1>$/)
          assert.match(yield* get("HEAD", "/"), /^HTTP\/1\.1 200 [^]*\r\n\r\n$/)
          assert.match(yield* get("GET", "/else"), /^HTTP\/1\.1 426 Upgrade Required\r\n/)
          // As curl --http2 and Java's HttpClient ask for a page. RFC 9110 7.8: a server may ignore an Upgrade.
          const h2c = [
            "Host: localhost",
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABk"
          ]
          assert.match(yield* get("GET", "/", { headers: h2c }), /^HTTP\/1\.1 200 /)
          assert.match(yield* get("HEAD", "/", { headers: h2c }), /^HTTP\/1\.1 200 /)
          assert.match(yield* get("GET", "/else", { headers: h2c }), /^HTTP\/1\.1 426 /)
          const both = ["Host: localhost", "Connection: Upgrade", "Upgrade: h2c, websocket"]
          assert.match(yield* get("GET", "/", { headers: both }), /^HTTP\/1\.1 426 [^]*Sec-WebSocket-Version: 13/)
          // RFC 9112 3.2
          for (const headers of [["X: y"], ["Host: a", "Host: b"], ["Host: a b"]]) {
            assert.match(yield* get("GET", "/", { headers }), /^HTTP\/1\.1 400 [^]*Host/)
          }
          assert.match(yield* get("GET", "/", { headers: ["X: y"], version: "HTTP/1.0" }), /^HTTP\/1\.1 200 /)
          yield* connect(server)
        })
      )
    })
  })
}
