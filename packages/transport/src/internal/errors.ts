/**
 * The errors of all transports, in Effect's own types: same tags and classes, with messages that name the address.
 */
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import { describe } from "../SocketFailure.ts"

class ConnectError extends Socket.SocketOpenError {
  readonly address: string
  constructor(address: string, kind: "Unknown" | "Timeout", cause: unknown) {
    super({ kind, cause })
    this.address = address
  }
  // The base class types its message as two literals; `never` is the only way past that.
  override get message(): never {
    return `cannot connect to ${this.address}: ${describe(this.cause)}` as never
  }
}

class ListenError extends SocketServer.SocketServerOpenError {
  readonly address: string
  constructor(address: string, cause: unknown) {
    super({ cause })
    this.address = address
  }
  override get message(): string {
    return `cannot listen on ${this.address}: ${describe(this.cause)}`
  }
}

// The messages of Effect's own classes say nothing of the cause. Their literal types allow no other text but `never`.
class ReadError extends Socket.SocketReadError {
  override readonly message = `read failed: ${describe(this.cause)}` as never
}

class WriteError extends Socket.SocketWriteError {
  override readonly message = `write failed: ${describe(this.cause)}` as never
}

class UpgradeError extends Socket.SocketUpgradeError {
  override get message(): never {
    return `TLS upgrade failed: ${describe(this.cause)}` as never
  }
}

/** An error such as Node makes of a failed system call. */
export const systemError = (code: string, syscall: string, text: string): Error =>
  Object.assign(new Error(`${syscall} ${code}: ${text}`), { code, syscall })

/** What Node reports where the peer closes the connection during the TLS handshake, for where Node does not. */
export const endOfHandshake = (): Error =>
  Object.assign(new Error("the socket closed during the TLS handshake"), { code: "ECONNRESET" })

export const openError = (address: string, cause: unknown): Socket.SocketError =>
  new Socket.SocketError({ reason: new ConnectError(address, "Unknown", cause) })

export const openTimeout = (address: string, millis: number): Socket.SocketError =>
  new Socket.SocketError({
    reason: new ConnectError(address, "Timeout", systemError("ETIMEDOUT", "connect", `nobody answered in ${millis} ms`))
  })

export const listenError = (address: string, cause: unknown): SocketServer.SocketServerError =>
  new SocketServer.SocketServerError({ reason: new ListenError(address, cause) })

// What the network did has no place in the program, so no stack either: recording one is most of what an error costs,
// and a server sees one of these at the end of each connection.
const withoutStack = (make: () => Socket.SocketError): Socket.SocketError => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return make()
  } finally {
    Error.stackTraceLimit = limit
  }
}

export const closeError = (code: number, closeReason?: string): Socket.SocketError =>
  withoutStack(() => new Socket.SocketError({ reason: new Socket.SocketCloseError({ code, closeReason }) }))

export const readError = (cause: unknown): Socket.SocketError =>
  withoutStack(() => new Socket.SocketError({ reason: new ReadError({ cause }) }))

export const writeError = (cause: unknown): Socket.SocketError =>
  withoutStack(() => new Socket.SocketError({ reason: new WriteError({ cause }) }))

export const upgradeError = (cause: unknown): Socket.SocketError =>
  new Socket.SocketError({ reason: new UpgradeError({ cause }) })

/** The typed form of what a Node socket emitted as `error`. */
export const fromNode = (cause: Error): Socket.SocketError =>
  "syscall" in cause && cause.syscall === "write" ? writeError(cause) : readError(cause)
