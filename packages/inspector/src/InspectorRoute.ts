/**
 * The inspector's page as a route of Effect's `HttpRouter`: on a port of your program, behind its own authentication.
 *
 * @since 0.1.0
 */
import * as WebSocketRoute from "@effect-ws/server/WebSocketRoute"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { Inspector, layerOff } from "./Inspector.ts"
import * as InspectorView from "./InspectorView.ts"
import { isAllowedHost, wrongHost } from "./internal/access.ts"
import { page } from "./internal/page.ts"

/**
 * Options of the route: what viewers may do, and the host names under which the page answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface RouteOptions extends InspectorView.ViewOptions {
  /**
   * Host names that requests may have, in addition to IP addresses and `localhost`, or `"any"`. A request with another
   * name gets 403. Default: none.
   */
  readonly hosts?: ReadonlyArray<string> | "any" | undefined
}

/**
 * Adds the page of the inspector in the context at `path`, and its WebSocket at `path/socket`.
 *
 * **Gotchas**
 *
 * There is no token: the middleware of the program authenticates viewers. Provide it to this Layer, or to the whole
 * router.
 *
 * **Example** (The inspector behind a middleware that authenticates)
 *
 * ```ts skip-type-checking
 * const Admin = InspectorRoute.layer("/inspector", { hosts: ["admin.example.com"] }).pipe(
 *   Layer.provide(requireAdmin.layer)
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  path: HttpRouter.PathInput & `/${string}`,
  options: RouteOptions = {}
): Layer.Layer<never, never, Inspector | HttpRouter.HttpRouter | HttpServer.HttpServer> =>
  Layer.unwrap(
    Effect.map(Inspector, (inspector) => {
      const { hosts = [] } = options
      const base = path.replace(/\/$/, "")
      const document = HttpRouter.add("GET", path, (request) =>
        Effect.sync(() => (isAllowedHost(request.headers["host"], hosts) ? answer() : refuse()))
      )
      const socket = WebSocketRoute.layer(`${base}/socket` as `/${string}`, InspectorView.make(inspector, options), {
        ...InspectorView.serverOptions,
        decide: ({ host }) => (isAllowedHost(host, hosts) ? Effect.succeed({}) : Effect.fail(wrongHost))
      })
      return Layer.provide(document, Layer.provide(socket, layerOff))
    })
  )

const answer = (): HttpServerResponse.HttpServerResponse => {
  const { bytes, headers } = page()
  return HttpServerResponse.uint8Array(bytes, { headers, contentType: headers["Content-Type"]! })
}

const refuse = (): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(`${wrongHost.reason}\n`, { status: wrongHost.status })
