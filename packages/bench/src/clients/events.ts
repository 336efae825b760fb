/** The use of a `WebSocket` class with the events of the browser, whoever wrote it. */
import type { Uses } from "./Control.ts"

interface Events {
  binaryType: string
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  send(data: string | ArrayBuffer): void
  close(code: number): void
}

/** Uses a class. */
export const usesOf = (WebSocketClass: new (url: string) => Events): Uses => ({
  echo: (url) => {
    const socket = new WebSocketClass(url)
    socket.binaryType = "arraybuffer"
    socket.onmessage = (event: { readonly data: string | ArrayBuffer }) => socket.send(event.data)
  },
  visit: (url, done) => {
    const socket = new WebSocketClass(url)
    socket.onopen = () => socket.close(1000)
    socket.onclose = done
  }
})
