/**
 * A Layer of a server that builds one instance for each listener. Effect builds a Layer value once, wherever it is
 * provided, so a second listener would have no server. All uses of the same listener share its instance.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { SocketServer } from "effect/socket/SocketServer"

export const perListener = <I, S, E, R>(
  service: Context.Key<I, S>,
  make: Effect.Effect<S, E, R>
): Layer.Layer<I, E, Exclude<R, Scope.Scope>> => {
  const layers = new WeakMap<SocketServer["Service"], Layer.Layer<I, E, Exclude<R, Scope.Scope>>>()
  return Layer.fromBuild((memoMap, scope) =>
    Effect.contextWith((context: Context.Context<Exclude<R, Scope.Scope>>) => {
      const listener = Context.get(context as Context.Context<SocketServer>, SocketServer)
      let layer = layers.get(listener)
      if (layer === undefined) layers.set(listener, (layer = Layer.effect(service, make)))
      return Layer.buildWithMemoMap(layer, memoMap, scope)
    })
  )
}
