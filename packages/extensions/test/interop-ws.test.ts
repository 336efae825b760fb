/**
 * permessage-deflate between `ws` and us over real sockets: every combination of parameters, in both directions.
 */
import { PermessageDeflate } from "@effect-ws/extensions"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { once } from "node:events"
import type * as Net from "node:net"
import type { PerMessageDeflateOptions } from "ws"
import { WebSocket, WebSocketServer } from "ws"
import { bytesFrom, randomFrom } from "./Pair.ts"
import type { Peer } from "./RawPeer.ts"
import { dial, listen, portOf } from "./RawPeer.ts"

interface Combination {
  readonly serverContextTakeover: boolean
  readonly clientContextTakeover: boolean
  readonly serverBits: number | undefined
  readonly clientBits: number | undefined
}

const bits = [undefined, 8, 9, 12, 15]

const combinations: ReadonlyArray<Combination> = [true, false].flatMap((serverContextTakeover) =>
  [true, false].flatMap((clientContextTakeover) =>
    bits.flatMap((serverBits) =>
      bits.map((clientBits) => ({ serverContextTakeover, clientContextTakeover, serverBits, clientBits }))
    )
  )
)

const ours = (each: Combination): PermessageDeflate.Options => ({
  serverContextTakeover: each.serverContextTakeover,
  clientContextTakeover: each.clientContextTakeover,
  serverMaxWindowBits: each.serverBits,
  clientMaxWindowBits: each.clientBits
})

const theirs = (each: Combination): PerMessageDeflateOptions => ({
  ...(each.serverContextTakeover ? {} : { serverNoContextTakeover: true }),
  ...(each.clientContextTakeover ? {} : { clientNoContextTakeover: true }),
  ...(each.serverBits === undefined ? {} : { serverMaxWindowBits: each.serverBits }),
  ...(each.clientBits === undefined ? {} : { clientMaxWindowBits: each.clientBits }),
  threshold: 1024
})

const items = Array.from({ length: 60 }, (_, id) => ({ id, name: `user ${id * 7919}`, tags: ["red", "green"] }))
// Text that compresses, a short one that is sent plain, bytes that do not compress, and a long one.
const messages: ReadonlyArray<string | Uint8Array> = [
  JSON.stringify(items),
  "short",
  JSON.stringify(items),
  new Uint8Array(bytesFrom(randomFrom(4), 5000)),
  JSON.stringify(Array.from({ length: 40 }, () => items)),
  ""
]
const plainBytes = messages.reduce((sum, { length }) => sum + length, 0)

const params = (header: string): ReadonlyArray<string> => header.split("; ").toSorted()

const agreed = (each: Combination, asked: Combination): ReadonlyArray<string> =>
  params(
    [
      "permessage-deflate",
      ...(each.serverContextTakeover ? [] : ["server_no_context_takeover"]),
      ...(each.clientContextTakeover ? [] : ["client_no_context_takeover"]),
      ...(each.serverBits === undefined ? [] : [`server_max_window_bits=${each.serverBits}`]),
      ...(asked.clientBits === undefined ? [] : [`client_max_window_bits=${asked.clientBits}`])
    ].join("; ")
  )

const check = (echoed: ReadonlyArray<string | Uint8Array>): void => {
  for (const [index, message] of messages.entries()) {
    assert.isTrue(Buffer.from(echoed[index]!).equals(Buffer.from(message)), `message ${index}`)
  }
}

/** Talks to an echo server as `ws`; returns what came back, and what the header of the answer was. */
const asWs = async (
  port: number,
  options: PerMessageDeflateOptions
): Promise<{
  readonly echoed: ReadonlyArray<string | Uint8Array>
  readonly answer: string
  readonly received: number
}> => {
  let answer = ""
  let socket: Net.Socket | undefined
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: options })
  client.on("upgrade", (response) => {
    answer = String(response.headers["sec-websocket-extensions"])
    socket = response.socket
  })
  await once(client, "open")
  const before = socket!.bytesRead
  const echoed: Array<string | Uint8Array> = []
  const done = new Promise<void>((resolve, reject) => {
    client.on("error", reject)
    client.on("close", (code) => reject(new Error(`closed with ${code}`)))
    client.on("message", (data: Buffer, isBinary) => {
      echoed.push(isBinary ? data : data.toString())
      if (echoed.length === messages.length) resolve()
    })
  })
  for (const message of messages) client.send(message)
  await done
  const received = socket!.bytesRead - before
  client.removeAllListeners("close")
  client.close()
  await once(client, "close")
  return { echoed, answer, received }
}

describe("ws as client", () => {
  it.live.each(combinations)("%j", (each) =>
    Effect.promise(async () => {
      let peer: Peer | undefined
      const server = await listen([PermessageDeflate.make()], (opened) => (peer = opened))
      const { answer, echoed, received } = await asWs(portOf(server), theirs(each))
      server.close()
      check(echoed)
      assert.deepStrictEqual(params(answer), agreed(each, each))
      assert.isBelow(received, plainBytes / 3)
      assert.isBelow(peer!.received(), plainBytes / 3)
    })
  )

  it.live.each(combinations)("our server narrows: %j", (each) =>
    Effect.promise(async () => {
      const server = await listen([PermessageDeflate.make(ours(each))])
      const { answer, echoed, received } = await asWs(portOf(server), {})
      server.close()
      check(echoed)
      const narrowed = { ...each, serverBits: each.serverBits === 15 ? undefined : each.serverBits }
      assert.deepStrictEqual(
        params(answer),
        agreed(narrowed, { ...each, clientBits: each.clientBits === 15 ? undefined : each.clientBits })
      )
      assert.isBelow(received, plainBytes / 3)
    })
  )
})

describe("ws as server", () => {
  const talk = async (server: PerMessageDeflateOptions, client: PermessageDeflate.Options): Promise<Peer> => {
    const wss = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: server })
    await once(wss, "listening")
    wss.on("connection", (socket) => {
      socket.on("message", (data, isBinary) => socket.send(isBinary ? data : data.toString()))
    })
    const echoed: Array<string | Uint8Array> = []
    let resolve: () => void
    const done = new Promise<void>((settle) => (resolve = settle))
    const peer = await dial((wss.address() as Net.AddressInfo).port, [PermessageDeflate.make(client)], (data) => {
      echoed.push(data)
      if (echoed.length === messages.length) resolve()
    })
    for (const message of messages) peer.send(message)
    await done
    check(echoed)
    assert.isBelow(peer.received(), plainBytes / 3)
    const closed = Promise.all([...wss.clients].map((socket) => once(socket, "close")))
    peer.close()
    await closed
    wss.close()
    return peer
  }

  it.live.each(combinations)("%j", (each) =>
    Effect.promise(async () => {
      const peer = await talk({}, ours(each))
      const asked = { ...each, serverBits: each.serverBits === 15 ? undefined : each.serverBits }
      assert.deepStrictEqual(
        params(peer.answer),
        agreed(asked, { ...each, clientBits: each.clientBits === 15 ? undefined : each.clientBits })
      )
    })
  )

  it.live.each(combinations)("ws narrows: %j", (each) =>
    Effect.promise(async () => {
      const peer = await talk(theirs(each), {})
      assert.deepStrictEqual(params(peer.answer), agreed(each, each))
    })
  )
})
