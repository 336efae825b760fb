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
import type { HandshakeTelemetry } from "./telemetry/HandshakeTelemetry.ts"
import type { Environment, Parts } from "./ConnectionParts.ts"
import { TracedConnection } from "./telemetry/TracedConnection.ts"
import { ConnectionImpl } from "./ConnectionImpl.ts"

export interface MakeConnectionOptions extends Omit<Parts, "session"> {
  readonly role: Role
  /** The handshake, where it is observed. */
  readonly telemetry: HandshakeTelemetry | undefined
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
export const makeConnection = (
  options: MakeConnectionOptions,
  extensions: ReadonlyArray<ExtensionInstance>,
  early: ReadonlyArray<Uint8Array>
): ConnectionImpl => {
  const { environment, role } = options
  const meter = options.telemetry?.opened(options.subprotocol, options.extensions)
  const session = new Session({
    role,
    limits: environment.settings.limits,
    extensions: meter === undefined ? extensions : meter.countCompression(extensions),
    maskingKey: role === "client" ? Context.get(environment.context, MaskingKeys) : undefined,
    slabs,
    frameCounter: meter
  })
  const parts: Parts = { ...options, session }
  const connection =
    meter?.tracesMessages === true ? new TracedConnection(parts, meter) : new ConnectionImpl(parts, meter)
  meter?.observe(connection)
  connection.start(early)
  return connection
}
