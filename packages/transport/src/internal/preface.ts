/**
 * Distinguishes HTTP/2 from HTTP/1.1 on connections without TLS, which have no ALPN. A client with prior knowledge
 * starts with the connection preface (RFC 9113 3.4).
 */
import type * as Net from "node:net"
import { inetAddress } from "./NodeDuplex.ts"
import type { OnDropped, Secure } from "./nodeServer.ts"

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1")

/** Reads until the bytes decide, then unshifts them. Drops a client that has not sent enough in `millis`. */
export const detectPreface =
  (millis: number, onDropped: OnDropped): Secure =>
  (raw, done) => {
    let seen: Buffer = Buffer.alloc(0)
    const drop = (why: string): void => {
      release()
      // The next owner of a socket listens for its errors; a dropped socket has no other listener.
      raw.on("error", () => {})
      onDropped(inetAddress(raw.remoteAddress, raw.remotePort), why)
      raw.destroy()
    }
    const onData = (chunk: Buffer): void => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
      const length = Math.min(seen.length, preface.length)
      const isPreface = seen.subarray(0, length).equals(preface.subarray(0, length))
      if (isPreface && length < preface.length) return
      release()
      raw.pause()
      raw.unshift(seen)
      done(raw, isPreface)
    }
    const onGone = (): void => drop("the connection ended before its first request")
    const timer = setTimeout(() => drop(`no request within ${millis} ms`), millis)
    const release = (): void => {
      clearTimeout(timer)
      raw.off("data", onData)
      raw.off("end", onGone)
      raw.off("error", onGone)
      raw.off("close", onGone)
    }
    raw.on("data", onData)
    raw.on("end", onGone)
    raw.on("error", onGone)
    raw.on("close", onGone)
    raw.resume()
  }

/** Whether ALPN chose HTTP/2. */
export const isHttp2 = (stream: Net.Socket): boolean => "alpnProtocol" in stream && stream.alpnProtocol === "h2"
