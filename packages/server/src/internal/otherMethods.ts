/**
 * Answers requests at the path of a route for other methods than GET.
 *
 * Effect's `HttpRouter` answers them with 404. Routes for the other methods would shadow those of a program that has,
 * say, a POST at the same path. So this is a middleware that handles only requests for which no route was found.
 */
import * as Effect from "effect/Effect"
import * as FindMyWay from "effect/http/FindMyWay"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerError } from "effect/http/HttpServerError"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"

/** Answers with `response` if a request fits the path but not the method. A router with a prefix keeps its 404. */
export const refuseOtherMethods = (
  router: HttpRouter.HttpRouter,
  path: HttpRouter.PathInput,
  response: HttpServerResponse
): Effect.Effect<void> =>
  Effect.flatMap(HttpRouter.RouterConfig, (config) => {
    const paths = FindMyWay.make<true>(config)
    paths.on("GET", path, true)
    if (path.endsWith("/*")) paths.on("GET", path.slice(0, -2) as HttpRouter.PathInput, true)
    const refuse = (unhandled: unknown): HttpServerResponse | undefined => {
      if (!(unhandled instanceof HttpServerError) || unhandled.reason._tag !== "RouteNotFound") return undefined
      const { method, url } = unhandled.reason.request
      return method !== "GET" && paths.find("GET", url) !== undefined ? response : undefined
    }
    return router.addGlobalMiddleware((handler) =>
      Effect.catch(handler, (unhandled) => {
        const refusal = refuse(unhandled)
        return refusal === undefined ? Effect.fail(unhandled) : Effect.succeed(refusal)
      })
    )
  })
