/**
 * One node of socket.io with its Redis Streams adapter and connection state recovery, as its documentation has it:
 * `node socketio.ts PORT REDIS_URL`. Prints `ready` when it accepts.
 */
import { createAdapter } from "@socket.io/redis-streams-adapter"
import { createServer } from "node:http"
import { createClient } from "redis"
import { Server } from "socket.io"

const [port, url] = process.argv.slice(2)

process.stdin.on("end", () => process.exit(0)).resume()

const redis = createClient({ url: url! })
redis.on("error", () => {})
await redis.connect()

const http = createServer()
const io = new Server(http, {
  adapter: createAdapter(redis),
  transports: ["websocket"],
  connectionStateRecovery: { maxDisconnectionDuration: 120_000 }
})

io.on("connection", (socket) => {
  socket.on("join", async (topic: string, done: () => void) => {
    await socket.join(topic)
    done()
  })
  // The answer says that the server has the message; `emit` does not wait for Redis.
  socket.on("publish", (topic: string, data: string, done: () => void) => {
    io.to(topic).emit("entry", data)
    done()
  })
})

http.listen(Number(port), "127.0.0.1", () => void process.stdout.write("ready\n"))
