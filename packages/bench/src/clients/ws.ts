/** The `ws` package at its best: no compression, payloads sent back as the bytes they came in. */
import { createRequire } from "node:module"
import { WebSocket } from "ws"
import { run } from "./Control.ts"

// ws falls back to JavaScript in silence; a figure under the wrong name would be worse than none.
const native = Object.keys(createRequire(import.meta.url).cache).some((file) => /bufferutil.*\.node$/.test(file))
if (native === (process.env["WS_NO_BUFFER_UTIL"] !== undefined)) {
  throw new Error(native ? "bufferutil was loaded although it was switched off" : "bufferutil could not be loaded")
}

const options = { perMessageDeflate: false }

run({
  echo: (url) => {
    const socket = new WebSocket(url, options)
    socket.on("message", (data, binary) => socket.send(data, { binary }))
  },
  visit: (url, done) => {
    const socket = new WebSocket(url, options)
    socket.on("open", () => socket.close(1000))
    socket.on("close", done)
  }
})
