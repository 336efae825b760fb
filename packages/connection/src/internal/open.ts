/**
 * What both roles do when the handshake is done: from a socket and an agreement to a connection.
 */
import type * as Negotiation from "@effect-ws/extensions/Negotiation"
import type { ExtensionInstance } from "@effect-ws/protocol/Extension"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import { Session } from "@effect-ws/protocol/Session"
import type { Role } from "@effect-ws/protocol/SessionState"
import { SlabPool } from "@effect-ws/protocol/Slab"
import * as Push from "@effect-ws/transport/Push"
import * as Context from "effect/Context"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import type * as Socket from "effect/socket/Socket"
import type { Settings } from "../ConnectionOptions.ts"
import { MaskingKeys } from "../MaskingKeys.ts"
import { PulledSocket } from "./PulledSocket.ts"
import { SocketConnection } from "./SocketConnection.ts"

export interface OpenOptions {
  readonly role: Role
  readonly socket: Socket.Socket
  readonly reader: Socket.Reader
  readonly writer: Socket.Writer
  /** What was read beyond the handshake. */
  readonly early: ReadonlyArray<Uint8Array>
  readonly settings: Settings
  readonly agreement: Negotiation.Agreement
  readonly request: UpgradeRequest
  readonly subprotocol: string | undefined
  /** The connection's `context`. Default: empty. */
  readonly attached?: Context.Context<never> | undefined
  readonly peer: Push.PeerInfo | undefined
}

// Node copies a write of a Buffer no further; one of a plain Uint8Array it wraps first.
const slabs = new SlabPool({ allocate: (size) => Buffer.allocUnsafeSlow(size) })

export const open = (
  options: OpenOptions,
  extensions: ReadonlyArray<ExtensionInstance>,
  context: Context.Context<never>
): SocketConnection => {
  const { peer, reader, role, settings, socket, writer } = options
  const session = new Session({
    role,
    limits: settings.limits,
    extensions,
    maskingKey: role === "client" ? Context.get(context, MaskingKeys) : undefined,
    slabs
  })
  const ends =
    Push.isPushReader(reader) && Push.isPushWriter(writer) ? { reader, writer } : pulled(reader, writer, context)
  const connection = new SocketConnection({
    session,
    socket,
    reader: ends.reader,
    writer: ends.writer,
    settings,
    context,
    request: options.request,
    subprotocol: options.subprotocol,
    attached: options.attached,
    extensions: options.agreement.answers,
    peer,
    logsDebug: LogLevel.isGreaterThanOrEqualTo("Debug", Context.get(context, References.MinimumLogLevel))
  })
  connection.start(options.early)
  return connection
}

const pulled = (
  reader: Socket.Reader,
  writer: Socket.Writer,
  context: Context.Context<never>
): { readonly reader: PulledSocket; readonly writer: PulledSocket } => {
  const socket = new PulledSocket(reader, writer, context)
  return { reader: socket, writer: socket }
}
