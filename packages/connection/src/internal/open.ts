/**
 * What both roles do when the handshake is done: from a socket and an agreement to a connection.
 */
import type { ExtensionInstance } from "@effect-ws/protocol/Extension"
import { Session } from "@effect-ws/protocol/Session"
import type { Role } from "@effect-ws/protocol/SessionState"
import { SlabPool } from "@effect-ws/protocol/Slab"
import * as Context from "effect/Context"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import { CurrentBudget } from "../Budget.ts"
import type { Settings } from "../ConnectionOptions.ts"
import { MaskingKeys } from "../MaskingKeys.ts"
import type { Handshaking } from "./Handshaking.ts"
import type { Environment, Parts } from "./Line.ts"
import { ObservedConnection } from "./ObservedConnection.ts"
import { SocketConnection } from "./SocketConnection.ts"

export interface OpenOptions extends Omit<Parts, "session"> {
  readonly role: Role
  /** The handshake, where somebody watches. */
  readonly watched: Handshaking | undefined
}

// Node copies a write of a Buffer no further; one of a plain Uint8Array it wraps first.
const slabs = new SlabPool({ allocate: (size) => Buffer.allocUnsafeSlow(size) })

/** What connections of one server, or of one call, have in common. */
export const environment = (settings: Settings, context: Context.Context<never>): Environment => ({
  settings,
  context,
  logsDebug: LogLevel.isGreaterThanOrEqualTo("Debug", Context.get(context, References.MinimumLogLevel)),
  budget: Context.get(context, CurrentBudget)
})

/** Opens a connection; `early` is what was read beyond the handshake. */
export const open = (
  options: OpenOptions,
  extensions: ReadonlyArray<ExtensionInstance>,
  early: ReadonlyArray<Uint8Array>
): SocketConnection => {
  const { environment, role } = options
  const meter = options.watched?.opened(options.subprotocol, options.extensions)
  const session = new Session({
    role,
    limits: environment.settings.limits,
    extensions: meter === undefined ? extensions : meter.weigh(extensions),
    maskingKey: role === "client" ? Context.get(environment.context, MaskingKeys) : undefined,
    slabs
  })
  const parts: Parts = { ...options, session }
  const connection =
    meter?.tracesMessages === true ? new ObservedConnection(parts, meter) : new SocketConnection(parts, meter)
  connection.start(early)
  return connection
}
