/** Errors of sockets that say what was dialled. */
import * as Socket from "effect/socket/Socket"

class NamedOpenError extends Socket.SocketOpenError {
  readonly address: string
  constructor(address: string, cause: unknown) {
    super({ kind: "Unknown", cause })
    this.address = address
  }
  // The base class types its message as two literals; `never` is the only way past that.
  override get message(): never {
    return `cannot connect to ${this.address}: ${describe(this.cause)}` as never
  }
}

export const namedOpenError = (address: string, cause: unknown): Socket.SocketError =>
  new Socket.SocketError({ reason: new NamedOpenError(address, cause) })

/** What an error says that has its own words somewhere inside. */
export const describe = (cause: unknown): string => {
  if (Socket.isSocketError(cause)) {
    const inner: unknown = "cause" in cause.reason ? cause.reason.cause : undefined
    return inner instanceof Error && cause.reason._tag !== "SocketOpenError" ? inner.message : cause.message
  }
  return cause instanceof AggregateError
    ? cause.errors.map(describe).join("; ")
    : cause instanceof Error
      ? cause.message
      : String(cause)
}
