/**
 * The errors of all transports: Effect's own types, tags and classes, with messages that name the address.
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
  // The base class types its message as two literals; only `never` is assignable to them.
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

// The messages of Effect's own classes omit the cause. Their literal types accept no other text than `never`.
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

/** Makes an error like those of Node for a failed system call. */
export const systemError = (code: string, syscall: string, text: string): Error =>
  Object.assign(new Error(`${syscall} ${code}: ${text}`), { code, syscall })

/**
 * Makes the error that Node reports when the peer closes the connection during the TLS handshake, for cases where Node
 * reports none.
 */
export const endOfHandshake = (): Error =>
  Object.assign(new Error("the socket closed during the TLS handshake"), { code: "ECONNRESET" })

export const openError = (address: string, cause: unknown): Socket.SocketError =>
  new Socket.SocketError({ reason: new ConnectError(address, "Unknown", cause) })

export const openTimeout = (address: string, millis: number): Socket.SocketError =>
  new Socket.SocketError({
    reason: new ConnectError(address, "Timeout", systemError("ETIMEDOUT", "connect", `no answer within ${millis} ms`))
  })

export const listenError = (address: string, cause: unknown): SocketServer.SocketServerError =>
  new SocketServer.SocketServerError({ reason: new ListenError(address, cause) })

// A network failure has no position in the program, so no stack either. Recording a stack is most of an error's cost,
// and a server makes one of these at the end of each connection.
const withoutStack = (make: () => Socket.SocketError): Socket.SocketError => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return make()
  } finally {
    Error.stackTraceLimit = limit
  }
}

const makeCloseError = (code: number, closeReason: string | undefined): Socket.SocketError =>
  withoutStack(() => new Socket.SocketError({ reason: new Socket.SocketCloseError({ code, closeReason }) }))

// Without a stack and a reason all errors of one code are equal, so all sockets share one.
const ended = makeCloseError(1000, undefined)
const brokeOff = makeCloseError(1006, undefined)

export const closeError = (code: number, closeReason?: string): Socket.SocketError => {
  if (closeReason === undefined && code === 1000) return ended
  if (closeReason === undefined && code === 1006) return brokeOff
  return makeCloseError(code, closeReason)
}

export const readError = (cause: unknown): Socket.SocketError =>
  withoutStack(() => new Socket.SocketError({ reason: new ReadError({ cause }) }))

export const writeError = (cause: unknown): Socket.SocketError =>
  withoutStack(() => new Socket.SocketError({ reason: new WriteError({ cause }) }))

export const upgradeError = (cause: unknown): Socket.SocketError =>
  new Socket.SocketError({ reason: new UpgradeError({ cause }) })

// Clients that go away without a close reset their connections. All these errors are equal, so all sockets share one.
let reset: Socket.SocketError | undefined

const isReset = (cause: Error): boolean =>
  cause.message === "read ECONNRESET" && "code" in cause && cause.code === "ECONNRESET"

/** Converts the `error` event of a Node socket to a typed error. */
export const fromNode = (cause: Error): Socket.SocketError => {
  if (isReset(cause)) return (reset ??= readError(cause))
  return "syscall" in cause && cause.syscall === "write" ? writeError(cause) : readError(cause)
}
