/** The installed command line: `serve` accepts, `connect` gets its message back, and SIGTERM ends it with 0. */
import { spawn } from "node:child_process"
import { once } from "node:events"

const bin = "node_modules/effect-ws/dist/bin.js"

const start = (...args) => spawn(process.execPath, [bin, ...args], { stdio: ["pipe", "pipe", "ignore"] })

const output = async (child, isDone) => {
  let text = ""
  for await (const chunk of child.stdout) {
    text += chunk
    if (isDone(text)) return text
  }
  return text
}

const began = performance.now()
const server = start("serve", "--port", "0")
const announced = await output(server, (text) => text.includes("\n"))
const startMillis = Math.round(performance.now() - began)
const url = /^listening on (ws:\/\/\S+)$/m.exec(announced)?.[1]
if (url === undefined) throw new Error(`the command line printed ${JSON.stringify(announced)}`)

const client = start("connect", url)
client.stdin.end("packed\n")
const answer = await output(client, () => false)
if (!answer.includes("packed")) throw new Error(`the client printed ${JSON.stringify(answer)}`)

server.kill("SIGTERM")
const [code] = await once(server, "exit")
if (code !== 0) throw new Error(`serve ended with ${code} after SIGTERM`)
process.stdout.write(`and its command line, listening after ${startMillis} ms, echoes\n`)
