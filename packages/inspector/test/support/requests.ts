/** Plain requests and handshakes whose headers, `Host` among them, are chosen by the test. */
import { Effect } from "effect"
import * as http from "node:http"

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

export const get = (url: string, headers: Record<string, string> = {}): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const request = http.get(url, { headers, agent: false }, (response) => {
      let body = ""
      response.setEncoding("utf8")
      response.on("data", (text) => (body += text))
      response.on("end", () =>
        resume(Effect.succeed({ status: response.statusCode!, headers: response.headers, body }))
      )
    })
    request.on("error", (error) => resume(Effect.die(error)))
  })

/** The status of the answer to a handshake; 101 where it opened. */
export const shake = (url: string, headers: Record<string, string> = {}): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const request = http.get(url, {
      agent: false,
      headers: {
        ...headers,
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="
      }
    })
    request.on("upgrade", (_, socket) => {
      socket.destroy()
      resume(Effect.succeed(101))
    })
    request.on("response", (response) => {
      response.resume()
      resume(Effect.succeed(response.statusCode!))
    })
    request.on("error", (error) => resume(Effect.die(error)))
  })
