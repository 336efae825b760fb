/**
 * The extensions of a connection that a server accepts: of those that the client offers and the program allows, the
 * ones that are negotiated, opened for this connection.
 */
import type { Extension } from "@effect-ws/extensions/Extension"
import * as Negotiation from "@effect-ws/extensions/Negotiation"
import type { ExtensionInstance } from "@effect-ws/protocol/Extension"
import type { ExtensionOffer } from "@effect-ws/protocol/ExtensionHeader"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"

/** Negotiated extensions, and the state of each for one connection. */
export interface OpenedExtensions {
  readonly agreement: Negotiation.NegotiatedExtensions
  readonly instances: ReadonlyArray<ExtensionInstance>
}

const none: Exit.Exit<OpenedExtensions> = Exit.succeed({ agreement: Negotiation.none, instances: [] })

/**
 * Negotiates and opens extensions. `allowed` are the names that the program allows, or `undefined` for all. A name that
 * the server does not have is a defect. Returns an `Exit` where there is nothing to negotiate.
 */
export const openExtensions = (
  extensions: ReadonlyArray<Extension>,
  offered: ReadonlyArray<ExtensionOffer>,
  allowed: ReadonlyArray<string> | undefined
): Effect.Effect<OpenedExtensions, never, Scope.Scope> => {
  const missing = allowed?.find((name) => !extensions.some(({ names }) => names.includes(name)))
  if (missing !== undefined) return Exit.die(new Error(noSuchExtension(missing, extensions)))
  const offers = allowed === undefined ? offered : offered.filter(({ name }) => allowed.includes(name))
  if (extensions.length === 0 || offers.length === 0) return none
  return Effect.flatMap(Negotiation.negotiate(extensions, offers), (agreement) =>
    Effect.map(agreement.open, (instances) => ({ agreement, instances }))
  )
}

const noSuchExtension = (name: string, extensions: ReadonlyArray<Extension>): string => {
  const names = extensions.flatMap(({ names }) => names).join(", ") || "none"
  return `decide allowed the extension ${JSON.stringify(name)}, which this server does not have; it has: ${names}`
}
