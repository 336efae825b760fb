/**
 * The load of broadcasts: the first connection sends, every connection gets a copy, and when all have it the next is
 * sent. So a server that is faster than the generator reads is not allowed to run ahead, and none has a queue to grow.
 */
import type { BroadcastLoad } from "./BroadcastRow.ts"
import { EchoReader, encodeMasked, makePayload } from "./Frames.ts"
import { mask, measure, openAll, shared, type Target, type Throughput, type Window } from "./Load.ts"

/** Runs the load and gives how many copies were delivered. */
export const broadcast = (target: Target, load: BroadcastLoad, window: Window): Promise<Throughput> =>
  new Promise((resolve, reject) => {
    const payload = makePayload("binary", load.bytes)
    const frame = encodeMasked("binary", payload, mask)
    const readers = Array.from({ length: load.connections }, () => new EchoReader("server", "binary", payload))
    let delivered = 0
    let next = load.connections
    let send = (): void => {}
    const handle = (index: number) => (length: number) => {
      delivered += readers[index]!.read(shared, length)
      // Counted over all: which message a copy is of cannot be told, and each connection gets them in order.
      for (; delivered >= next; next += load.connections) send()
    }
    openAll(target, load.connections, handle, reject, (sockets) => {
      send = () => void sockets[0]!.write(frame)
      for (let message = 0; message < load.depth; message++) send()
      measure(target, window, () => delivered, resolve)
    })
  })
