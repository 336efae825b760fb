/** Socket errors that name the dialled address. */
import { describe } from "@effect-ws/transport/SocketFailure"
import * as Socket from "effect/socket/Socket"

class NamedOpenError extends Socket.SocketOpenError {
  readonly address: string
  constructor(address: string, cause: unknown) {
    super({ kind: "Unknown", cause })
    this.address = address
  }
  // The base class types its message as two literals; only `never` is assignable to them.
  override get message(): never {
    return `cannot connect to ${this.address}: ${describe(this.cause)}` as never
  }
}

export const namedOpenError = (address: string, cause: unknown): Socket.SocketError =>
  new Socket.SocketError({ reason: new NamedOpenError(address, cause) })
