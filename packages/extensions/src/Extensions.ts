/**
 * The extensions that a server accepts or a client offers: one reference, the empty list by default, and the layers
 * that add to it. Earlier extensions are preferred to later ones.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Extension from "./Extension.ts"

/**
 * The extensions of the context, in order of preference. Default: none.
 *
 * @category services
 * @since 0.1.0
 */
export const CurrentExtensions: Context.Reference<ReadonlyArray<Extension.Extension>> = Context.Reference(
  "@effect-ws/extensions/CurrentExtensions",
  { defaultValue: (): ReadonlyArray<Extension.Extension> => [] }
)

/**
 * Adds extensions to those of the context that the layer is built in, in order of preference.
 *
 * **Details**
 *
 * An extension replaces an earlier one of the same name.
 *
 * **Gotchas**
 *
 * Two such layers side by side (`Layer.mergeAll`) do not see each other, and the last one wins. Give all extensions to
 * one layer, `Extensions.layer([PermessageDeflate.make(), DeflateFrame.make()])`, or provide one layer to the other.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (extensions: ReadonlyArray<Extension.Extension>): Layer.Layer<never> =>
  Layer.effect(
    CurrentExtensions,
    Effect.map(current, (outer) => {
      const added = new Set(extensions.map(({ name }) => name))
      return [...outer.filter(({ name }) => !added.has(name)), ...extensions]
    })
  )

/**
 * Creates a context with exactly these extensions, for `Effect.provideContext`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const context = (extensions: ReadonlyArray<Extension.Extension>): Context.Context<never> =>
  Context.make(CurrentExtensions, extensions) as Context.Context<never>

/**
 * Returns the extensions of the context, in order of preference.
 *
 * @category accessors
 * @since 0.1.0
 */
export const current: Effect.Effect<ReadonlyArray<Extension.Extension>> = Effect.contextWith(
  (context: Context.Context<never>) => Effect.succeed(Context.get(context, CurrentExtensions))
)
