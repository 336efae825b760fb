/**
 * The extensions that a server accepts or a client offers, as services. There are none until a layer adds one.
 *
 * Each extension is a service of its own, so layers that add extensions compose like other layers. Earlier extensions
 * are preferred to later ones.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Extension from "./Extension.ts"

const prefix = "@effect-ws/extensions/Extension/"

/**
 * Adds extensions, in order of preference.
 *
 * **Details**
 *
 * An extension replaces an earlier one of the same name.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (extensions: ReadonlyArray<Extension.Extension>): Layer.Layer<never> =>
  Layer.succeedContext(context(extensions))

/**
 * Creates a context with extensions, for `Effect.provideContext`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const context = (extensions: ReadonlyArray<Extension.Extension>): Context.Context<never> =>
  Context.makeUnsafe(new Map(extensions.map((extension) => [prefix + extension.name, extension])))

/**
 * Returns the extensions that layers added, in order of preference.
 *
 * @category accessors
 * @since 0.1.0
 */
export const current: Effect.Effect<ReadonlyArray<Extension.Extension>> = Effect.contextWith(
  (context: Context.Context<never>) => {
    const extensions: Array<Extension.Extension> = []
    for (const [key, service] of context.mapUnsafe) {
      if (key.startsWith(prefix)) extensions.push(service as Extension.Extension)
    }
    return Effect.succeed(extensions)
  }
)
