/** The use of a `WebSocket` class with the events of the browser, of any package. */
import type { Uses } from "./Control.ts"

interface Events {
  binaryType: string
  addEventListener(type: "open" | "close", listener: () => void): void
  addEventListener(type: "message", listener: (event: { readonly data: string | ArrayBuffer }) => void): void
  send(data: string | ArrayBuffer): void
  close(code: number): void
}

/** Uses a class. */
export const usesOf = (WebSocketClass: new (url: string) => Events): Uses => ({
  echo: (url) => {
    const socket = new WebSocketClass(url)
    socket.binaryType = "arraybuffer"
    socket.addEventListener("message", (event) => socket.send(event.data))
  },
  visit: (url, done) => {
    const socket = new WebSocketClass(url)
    socket.addEventListener("open", () => socket.close(1000))
    socket.addEventListener("close", done)
  }
})
