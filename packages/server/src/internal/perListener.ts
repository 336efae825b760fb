/**
 * A Layer of something that accepts connections. Effect builds one Layer value once, wherever it is provided; on a second
 * listener nobody would accept then. So there is one for each listener, and one for all who need it on the same listener.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { SocketServer } from "effect/socket/SocketServer"

export const perListener = <I, S, R>(
  service: Context.Key<I, S>,
  make: Effect.Effect<S, never, R>
): Layer.Layer<I, never, Exclude<R, Scope.Scope>> => {
  const layers = new WeakMap<SocketServer["Service"], Layer.Layer<I, never, Exclude<R, Scope.Scope>>>()
  return Layer.fromBuild((memoMap, scope) =>
    Effect.contextWith((context: Context.Context<Exclude<R, Scope.Scope>>) => {
      const listener = Context.get(context as Context.Context<SocketServer>, SocketServer)
      let layer = layers.get(listener)
      if (layer === undefined) layers.set(listener, (layer = Layer.effect(service, make)))
      return Layer.buildWithMemoMap(layer, memoMap, scope)
    })
  )
}
