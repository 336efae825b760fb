// The attributes are what is tested.
/* oxlint-disable unicorn/prefer-add-event-listener */
/**
 * The same scripts, run on our class and on Node's global `WebSocket`. Where they differ, a case says who is right and
 * why; a Node that changes its mind shows here.
 */
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Layer, Schema, Stream } from "effect"
import type { Scope } from "effect"
import { SocketServer } from "effect/socket"
import type * as NetAddress from "effect/net/NetAddress"
import { WebSocket as Ours } from "../src/WebSocketClass.ts"
import type { WebSocketClass } from "../src/WebSocketClass.ts"
import { raw, record, thrown } from "./support/standard.ts"
import type { AnyWebSocket } from "./support/standard.ts"
import { answering, response } from "./support/web.ts"
import type { Respond } from "./support/web.ts"

type Class = new (
  url: string,
  protocols?: string | Array<string>
) => AnyWebSocket & Pick<InstanceType<WebSocketClass>, "onopen" | "onmessage">

/** What a script found, in lines. */
type Script = (Class: Class, url: string) => Promise<ReadonlyArray<unknown>>

interface Case {
  readonly name: string
  /** What the server does behind its acceptance. Default: it echoes. */
  readonly server?: Respond
  readonly script: Script
  readonly ours: ReadonlyArray<unknown>
  /** What Node's class does, where that is something else, and who is right. */
  readonly node?: ReadonlyArray<unknown>
}

const urlOf = (address: NetAddress.SocketAddress): string => `ws://127.0.0.1:${(address as { port: number }).port}/`

const start = (server: Respond | undefined): Effect.Effect<string, never, SocketServer.SocketServer | Scope.Scope> =>
  Effect.gen(function* () {
    const sockets = yield* SocketServer.SocketServer
    if (server !== undefined) yield* answering(sockets, server)
    else {
      yield* WebSocketServer.make(
        (connection) => Stream.runForEach(connection.messages, (message) => connection.send(message)),
        { subprotocols: ["chat"], drainTimeout: "100 millis" }
      )
    }
    return urlOf(sockets.address)
  })

const openedBy = (socket: AnyWebSocket): Promise<void> => Effect.runPromise(record(socket).opened)

const untilClosed = async (socket: AnyWebSocket): Promise<ReadonlyArray<string>> => {
  const { closed, events } = record(socket)
  await Effect.runPromise(closed)
  return events
}

const cases: ReadonlyArray<Case> = [
  {
    name: "a conversation that ends well",
    script: async (Class, url) => {
      const socket = new Class(url, "chat")
      const lines: Array<unknown> = [socket.readyState, socket.url === url]
      socket.onopen = () => {
        lines.push(socket.protocol)
        socket.send("hello")
      }
      const closed = untilClosed(socket)
      socket.onmessage = () => socket.close(3000, "bye")
      return [...lines, ...(await closed), ...lines.slice(2)]
    },
    ours: [0, true, "open [OPEN]", "message hello [OPEN]", "close 3000 bye clean [CLOSED]", "chat"]
  },
  {
    name: "URLs that are refused",
    script: async (Class) =>
      ["", "/x", "ftp://x/", "ws://x/#", "ws://x/#a", "ws://a b/"].map((url) => thrown(() => new Class(url))),
    ours: Array(6).fill("SyntaxError")
  },
  {
    name: "close codes and reasons that are refused",
    script: async (Class, url) => {
      const socket = new Class(url)
      await openedBy(socket)
      const lines = [0, 999, 1001, 2999, 5000, NaN].map((code) => thrown(() => socket.close(code)))
      return [...lines, thrown(() => socket.close(1000, "é".repeat(62))), socket.readyState]
    },
    ours: [...Array(6).fill("InvalidAccessError"), "SyntaxError", 1]
  },
  {
    name: "a close code with a fraction",
    script: async (Class, url) => {
      const socket = new Class(url)
      await openedBy(socket)
      return [2999.1, 999.4].map((code) => thrown(() => socket.close(code)))
    },
    ours: ["InvalidAccessError", "InvalidAccessError"],
    // We are right: Web IDL clamps to the nearest integer, and to the even one only from halfway. Node goes to the even
    // one from anywhere, so that 2999.1 is 3000.
    node: ["nothing", "nothing"]
  },
  {
    name: "nothing but an InvalidStateError while connecting",
    script: async (Class, url) => {
      const socket = new Class(url)
      return [thrown(() => socket.send("x")), socket.readyState]
    },
    ours: ["InvalidStateError", 0]
  },
  {
    name: "a close without arguments",
    script: async (Class, url) => {
      const socket = new Class(url)
      const closed = untilClosed(socket)
      socket.onopen = () => socket.close()
      return closed
    },
    ours: ["open [OPEN]", "close 1005 clean [CLOSED]"]
  },
  {
    name: "an end without a close frame",
    server: raw([0x81, 1, 0x61], "end"),
    script: (Class, url) => untilClosed(new Class(url)),
    ours: ["open [OPEN]", "message a [OPEN]", "error [CLOSED]", "close 1006 [CLOSED]"]
  },
  {
    name: "a handshake that is refused",
    server: () => response("403 Forbidden"),
    script: (Class, url) => untilClosed(new Class(url)),
    ours: ["error [CLOSED]", "close 1006 [CLOSED]"]
  },
  {
    name: "a server that chooses none of the subprotocols",
    server: raw([]),
    script: (Class, url) => untilClosed(new Class(url, "chat")),
    ours: ["error [CLOSED]", "close 1006 [CLOSED]"]
  },
  {
    name: "a violation of the protocol",
    server: raw([0x83, 0]),
    script: (Class, url) => untilClosed(new Class(url)),
    ours: ["open [OPEN]", "error [CLOSED]", "close 1006 [CLOSED]"]
  },
  {
    name: "subprotocols that differ in case",
    script: async (Class, url) => [thrown(() => new Class(url, ["chat", "Chat"]))],
    ours: ["nothing"],
    // We are right: the standard and RFC 6455 4.1 want unique strings, and "chat" and "Chat" are two strings.
    node: ["SyntaxError"]
  },
  {
    name: "a binaryType that is none",
    script: async (Class, url) => {
      const socket = new Class(url)
      socket.binaryType = "arraybuffer"
      socket.binaryType = "nodebuffer" as "blob"
      return [socket.binaryType]
    },
    ours: ["arraybuffer"],
    // We are right: Web IDL ignores what is no value of an enumeration; Node falls back to the default.
    node: ["blob"]
  },
  {
    name: "two messages in one chunk, awaited one after the other",
    server: raw([0x81, 1, 0x61, 0x81, 1, 0x62, 0x81, 1, 0x63, 0x88, 0], "end"),
    script: async (Class, url) => {
      const socket = new Class(url)
      const closed = untilClosed(socket)
      const next = (): Promise<unknown> =>
        new Promise((resolve) => {
          if (socket.readyState === 3) resolve("nothing more")
          socket.addEventListener("message", (event) => resolve((event as MessageEvent).data), { once: true })
          socket.addEventListener("close", () => resolve("nothing more"), { once: true })
        })
      const lines = [await next(), await next(), await next()]
      await closed
      return lines
    },
    ours: ["a", "b", "c"],
    // We are right: the standard queues a task for each message, and what waits for a promise runs between two tasks.
    // Node fires the events of one chunk in one go, so that a program that awaits messages one by one misses some.
    node: ["a", "nothing more", "nothing more"]
  },
  {
    name: "bufferedAmount after close",
    script: async (Class, url) => {
      const socket = new Class(url)
      await openedBy(socket)
      socket.close()
      socket.send("abc")
      const closing = socket.bufferedAmount
      await untilClosed(socket)
      socket.send("de")
      return [closing, socket.bufferedAmount]
    },
    ours: [3, 5],
    // We are right: "any invocation of this method that does not throw an exception must increase the bufferedAmount".
    node: [0, 0]
  },
  {
    name: "an event handler that is replaced",
    script: async (Class, url) => {
      const socket = new Class(url)
      const lines: Array<string> = []
      socket.onopen = () => lines.push("first handler")
      socket.addEventListener("open", () => lines.push("listener"))
      socket.onopen = () => lines.push("second handler")
      await openedBy(socket)
      return lines
    },
    ours: ["second handler", "listener"],
    // We are right: in HTML a handler attribute keeps the place among the listeners that it took when it was first set.
    node: ["listener", "second handler"]
  },
  {
    name: "text that begins with a byte order mark",
    server: raw([0x81, 4, 0xef, 0xbb, 0xbf, 0x61, 0x88, 0], "end"),
    script: async (Class, url) => {
      const socket = new Class(url)
      const lengths: Array<number> = []
      socket.onmessage = (event) => lengths.push((event.data as string).length)
      await untilClosed(socket)
      return lengths
    },
    ours: [2],
    // We are right: the event has the data of the message, and U+FEFF is a character of it; Node's decoder drops it.
    node: [1]
  },
  {
    name: "a close reason that is a byte order mark",
    server: raw([0x88, 5, 0x03, 0xe8, 0xef, 0xbb, 0xbf], "end"),
    script: (Class, url) => untilClosed(new Class(url)),
    ours: ["open [OPEN]", "close 1000 \uFEFF clean [CLOSED]"],
    // We are right: "UTF-8 decode without BOM" is the algorithm that does not look for one, and so keeps it.
    node: ["open [OPEN]", "close 1000 clean [CLOSED]"]
  },
  {
    name: "close while connecting",
    script: async (Class, url) => {
      const socket = new Class(url)
      const { closed, events } = record(socket)
      socket.close()
      const lines = [socket.readyState, events.length]
      await Effect.runPromise(closed)
      return [...lines, ...events, socket.readyState]
    },
    ours: [2, 0, "error [CLOSED]", "close 1006 [CLOSED]", 3],
    // We are right: the events come in a task of their own, after close() has set the state to CLOSING. Node fires them
    // within close() and leaves the object in CLOSING for ever.
    node: [2, 2, "error [CLOSED]", "close 1006 [CLOSED]", 2]
  },
  {
    name: "a view of shared memory",
    script: async (Class, url) => {
      const socket = new Class(url)
      await openedBy(socket)
      return [thrown(() => socket.send(new Uint8Array(new SharedArrayBuffer(4)) as never))]
    },
    ours: ["TypeError"],
    // We are right: Web IDL throws on a view of shared memory where [AllowShared] does not stand.
    node: ["nothing"]
  },
  {
    name: "a buffer that changes behind a send",
    script: async (Class, url) => {
      const socket = new Class(url)
      socket.binaryType = "arraybuffer"
      await openedBy(socket)
      const received = new Promise((resolve) => {
        socket.onmessage = (event) => {
          if (typeof event.data !== "string") resolve(Buffer.from(event.data as ArrayBuffer).toString())
        }
      })
      socket.send(new Blob(["first"]))
      const first = await received
      const bytes = Buffer.from("before")
      const second = new Promise((resolve) => {
        socket.onmessage = (event) => resolve(Buffer.from(event.data as ArrayBuffer).toString())
      })
      socket.send(bytes)
      bytes.write("behind")
      return [first, await second]
    },
    ours: ["first", "before"]
  },
  {
    name: "a code for the server that closes with another one",
    server: raw([0x88, 2, 0x0f, 0xa1], "end"),
    script: (Class, url) => untilClosed(new Class(url)),
    ours: ["open [OPEN]", "close 4001 clean [CLOSED]"]
  }
]

const run = ({ script, server }: Case, Class: Class): Effect.Effect<ReadonlyArray<unknown>, unknown> =>
  start(server).pipe(
    Effect.flatMap((url) => Effect.promise(() => script(Class, url))),
    Effect.scoped,
    Effect.provide(Layer.fresh(Tcp.layerServer({ port: 0 })))
  )

describe("the same script on our class and on Node's", () => {
  for (const case_ of cases) {
    it.live(case_.name, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* run(case_, Ours as unknown as Class), case_.ours, "ours")
        assert.deepStrictEqual(
          yield* run(case_, globalThis.WebSocket as unknown as Class),
          case_.node ?? case_.ours,
          "Node's"
        )
      })
    )
  }
})

describe("what is refused, on our class and on Node's", () => {
  const closedOf = (Class: Class): Promise<AnyWebSocket> => {
    const socket = new Class("ws://127.0.0.1:1/")
    return new Promise((resolve) => socket.addEventListener("close", () => resolve(socket)))
  }
  // A closed WebSocket checks its arguments, and does nothing else.
  const closed = Promise.all([closedOf(Ours as unknown as Class), closedOf(globalThis.WebSocket as unknown as Class)])

  // Codes with other fractions than halves are a case above.
  it.effect.prop(
    "close takes the same codes and reasons",
    [
      Arbitrary.schema(
        Schema.Union([
          Schema.Int,
          Schema.Literals([1e300, -1e300, "NaN", "-0", 999.5, 1000.5, 2999.5, 4999.5]),
          Schema.Int.check(Schema.isBetween({ minimum: 990, maximum: 5010 })),
          Schema.Undefined,
          Schema.Null,
          Schema.Boolean
        ])
      ),
      Arbitrary.schema(Schema.Union([Schema.Undefined, Schema.String.check(Schema.isMaxLength(200))]))
    ],
    ([code, reason]) =>
      Effect.promise(async () => {
        const [ours, nodes] = await closed
        const args = [code as number, reason] as const
        assert.strictEqual(
          thrown(() => ours.close(...args)),
          thrown(() => nodes.close(...args))
        )
      }),
    { arbitrary: { runs: 1000 } }
  )

  it.prop(
    "the constructor takes the same subprotocols, but for their case",
    [Arbitrary.schema(Schema.Array(Schema.Union([Schema.Literals(["a", "b", "", "a b"]), Schema.String])))],
    ([protocols]) => {
      const attempt = (Class: Class): string =>
        thrown(() => {
          const socket = new Class("ws://127.0.0.1:1/", [...protocols])
          socket.addEventListener("error", () => {})
          socket.close()
        })
      const isFolded = new Set(protocols.map((name) => name.toLowerCase())).size < new Set(protocols).size
      if (!isFolded) {
        assert.strictEqual(attempt(Ours as unknown as Class), attempt(globalThis.WebSocket as unknown as Class))
      }
    },
    { arbitrary: { runs: 1000 } }
  )
})
