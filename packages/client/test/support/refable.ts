/** A program for the test of `process.unref`: opens a socket, does as it is told, and ends when it may. */
import { WebSocket } from "../../src/WebSocketClass.ts"

const [url = "", when = "", ...calls] = process.argv.slice(2)
const socket = new WebSocket(url)
const act = (): void => {
  for (const call of calls) {
    if (call === "ref") process.ref(socket)
    else process.unref(socket)
  }
}
socket.addEventListener("message", (event) => console.log(event.data))
if (when === "before") act()
else socket.addEventListener("open", act)
