/**
 * A TCP proxy that passes everything on and notes what is on the wire: the two heads, and how many bytes follow them.
 */
import { Effect } from "effect"
import type { Scope } from "effect"
import * as Net from "node:net"

/** What went through one connection. */
export interface Traffic {
  readonly request: Side
  readonly response: Side
}

interface Side {
  head: string
  /** The bytes behind the head. */
  bytes: number
}

export interface CountingProxy {
  readonly port: number
  /** The connections, in the order in which they came. */
  readonly connections: ReadonlyArray<Traffic>
}

/** Starts a proxy to a port of this machine. */
export const start = (port: number): Effect.Effect<CountingProxy, never, Scope.Scope> =>
  Effect.suspend(() => {
    const connections: Array<Traffic> = []
    const sockets = new Set<Net.Socket>()
    const pass = (from: Net.Socket, to: Net.Socket, side: Side): void => {
      sockets.add(from)
      from.on("data", (chunk: Buffer) => {
        if (side.head.endsWith("\r\n\r\n")) side.bytes += chunk.length
        else {
          const before = side.head.length
          const read = side.head + chunk.toString("latin1")
          const end = read.indexOf("\r\n\r\n")
          side.head = end < 0 ? read : read.slice(0, end + 4)
          side.bytes += before + chunk.length - side.head.length
        }
      })
      from.on("error", () => to.destroy())
      from.on("close", () => sockets.delete(from))
      from.pipe(to)
    }
    const server = Net.createServer((near) => {
      const far = Net.connect(port, "127.0.0.1")
      const traffic = { request: { head: "", bytes: 0 }, response: { head: "", bytes: 0 } }
      connections.push(traffic)
      pass(near, far, traffic.request)
      pass(far, near, traffic.response)
    })
    return Effect.acquireRelease(
      Effect.callback<CountingProxy>((resume) => {
        server.listen(0, "127.0.0.1", () => {
          resume(Effect.succeed({ port: (server.address() as Net.AddressInfo).port, connections }))
        })
      }),
      () =>
        Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
          server.close()
        })
    )
  })

/** Gives the extensions in a head, each with its parameters in alphabetical order. */
export const extensionsIn = ({ head }: Side): ReadonlyArray<string> => {
  const header = /^sec-websocket-extensions: *(.*)\r$/im.exec(head)?.[1]
  return header === undefined
    ? []
    : header.split(/, */).map((extension) => {
        const [name, ...params] = extension.split(/; */)
        return [name, ...params.toSorted()].join("; ")
      })
}
