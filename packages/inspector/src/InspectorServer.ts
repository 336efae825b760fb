/**
 * The inspector's page on a port of its own.
 *
 * It listens on loopback, at a path that holds a random token: only those who know the address that is logged at the
 * start see anything. For a page behind the sign-in of your own program, use `InspectorRoute`.
 *
 * @since 0.1.0
 */
import type { HandshakeRequest, HttpAnswer } from "@effect-ws/connection/Accept"
import { HandshakeRejection, toResponse } from "@effect-ws/protocol/HandshakeRejection"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import type { RequestHead } from "@effect-ws/protocol/HttpHead"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { formatAddress } from "@effect-ws/transport/Dialer"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as SocketServer from "effect/socket/SocketServer"
import { randomBytes } from "node:crypto"
import { Inspector, layerOff } from "./Inspector.ts"
import * as InspectorView from "./InspectorView.ts"
import { isAllowedHost, isToken, wrongHost, wrongToken } from "./internal/access.ts"
import { page } from "./internal/page.ts"

/**
 * Options of the page's address and of the access to it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions extends InspectorView.ViewOptions {
  /** The address to listen on. Default: 127.0.0.1, which only this machine reaches. */
  readonly host?: string | undefined
  /** The port to listen on; 0 takes a free one. Default: 0. */
  readonly port?: number | undefined
  /**
   * The token in the path of the page: one of your own, `"random"` for a new one at each start, or `"none"` for no
   * token, so that everyone who reaches the port sees everything. Default: "random".
   */
  readonly token?: Redacted.Redacted | "random" | "none" | undefined
  /**
   * Host names that requests may have, in addition to IP addresses and `localhost`, or `"any"`. A request with another
   * name gets 403: it comes from a page that points its own name at this port. Default: none.
   */
  readonly hosts?: ReadonlyArray<string> | "any" | undefined
}

/**
 * The page of the inspector that is served.
 *
 * @category services
 * @since 0.1.0
 */
export class InspectorServer extends Context.Service<
  InspectorServer,
  {
    /** The address of the page with its token: everyone who has it can open the page. */
    readonly url: string
  }
>()("@effect-ws/inspector/InspectorServer") {}

/**
 * Serves the page of the inspector in the context.
 *
 * **Example** (A server, and its inspector on port 9000)
 *
 * ```ts skip-type-checking
 * Layer.mergeAll(Chat, InspectorServer.layer({ port: 9000 })).pipe(
 *   Layer.provide(Inspector.layer()),
 *   Layer.provide(Tcp.layerServer({ port: 8000 })),
 *   Layer.launch,
 *   NodeRuntime.runMain
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: ServerOptions = {}
): Layer.Layer<InspectorServer, SocketServer.SocketServerError, Inspector> =>
  Layer.effect(
    InspectorServer,
    Effect.gen(function* () {
      const inspector = yield* Inspector
      const { hosts = [], token = "random" } = options
      const secret =
        token === "none" ? "" : token === "random" ? randomBytes(18).toString("base64url") : Redacted.value(token)
      const base = secret === "" ? "" : `/${encodeURIComponent(secret)}`

      const refusal = (host: string | undefined, path: string): HandshakeRejection | undefined => {
        if (!isAllowedHost(host, hosts)) return wrongHost
        return secret === "" || isToken(path.split("/")[1] ?? "", encodeURIComponent(secret)) ? undefined : wrongToken
      }
      const respond = ({ headers, target }: RequestHead): HttpAnswer => {
        const path = target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*$/, "")
        const refused = refusal(HeaderFields.get(headers, "Host"), path)
        if (refused !== undefined) return answerOf(refused)
        return path === base || path === `${base}/` ? answerPage() : answerOf(missing)
      }
      const decide = ({ host, path }: HandshakeRequest) => {
        const refused = refusal(host, path) ?? (path === `${base}/socket` ? undefined : missing)
        return refused === undefined ? Effect.succeed({}) : Effect.fail(refused)
      }

      const { address } = yield* WebSocketServer.make(InspectorView.make(inspector, options), {
        ...InspectorView.serverOptions,
        decide,
        respond
      })
      const url = `http://${formatAddress(address)}${base}/`
      yield* Effect.logInfo(`The inspector is at ${url}`)
      return InspectorServer.of({ url })
    }).pipe(Effect.annotateLogs({ module: "InspectorServer" }))
  ).pipe(
    Layer.provide(Layer.fresh(Tcp.layerServer({ host: options.host ?? "127.0.0.1", port: options.port ?? 0 }))),
    Layer.provide(layerOff)
  )

/**
 * Serves the page as {@link layer} does, with options from `Config`: each option is a `Config`, or one `Config` gives
 * all of them.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<ServerOptions>
): Layer.Layer<InspectorServer, SocketServer.SocketServerError | Config.ConfigError, Inspector> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

const missing = new HandshakeRejection({ status: 404, reason: "there is nothing at this path" })

const answerPage = (): HttpAnswer => {
  const { bytes, headers } = page()
  return { status: 200, headers: headers, body: bytes }
}

const answerOf = (rejection: HandshakeRejection): HttpAnswer => {
  const { body, head } = toResponse(rejection)
  return { status: head.status, headers: head.headers, body }
}
