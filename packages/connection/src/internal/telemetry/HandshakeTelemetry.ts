/**
 * Measures one opening handshake: its duration, its outcome and its span.
 */
import { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import * as Fields from "@effect-ws/protocol/HeaderFields"
import type { HeaderFields } from "@effect-ws/protocol/HeaderFields"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import type { Role } from "@effect-ws/protocol/SessionState"
import * as Dialer from "@effect-ws/transport/Dialer"
import type * as Push from "@effect-ws/transport/Push"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Headers from "effect/http/Headers"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Tracer from "effect/Tracer"
import type { Peer } from "../../Peer.ts"
import type { ConnectionMetrics } from "./ConnectionMetrics.ts"
import { toSeconds } from "./ConnectionMetrics.ts"
import type { TelemetrySettings } from "./TelemetrySettings.ts"
import type { ServerObserver } from "../../ServerObserver.ts"
import type { AggregateMetrics } from "./AggregateMetrics.ts"

/** The attributes of a request that its span has. */
export interface RequestAttributes {
  readonly version: UpgradeRequest["version"]
  readonly path: string
  readonly scheme: "ws" | "wss"
  readonly host: string
  readonly headers: HeaderFields
  readonly peer: Peer | undefined
}

/** What a handshake needs of the telemetry of its server or client. */
export interface HandshakeObserver {
  readonly settings: TelemetrySettings
  readonly server: ServerObserver | undefined
  readonly totals: (role: Role) => AggregateMetrics | undefined
  readonly meter: (role: Role, span: Tracer.Span | undefined, context: Context.Context<never>) => ConnectionMetrics
}

export class HandshakeTelemetry {
  private readonly observer: HandshakeObserver
  private readonly role: Role
  private readonly totals: AggregateMetrics | undefined
  private readonly context: Context.Context<never>
  private readonly clock: Clock.Clock
  private readonly startedAt: bigint
  private span: Tracer.Span | undefined = undefined
  private attributes: Record<string, unknown> = {}
  private status: number | undefined = undefined
  // Reported to the observer when the server rejects the handshake.
  private path: string | undefined = undefined
  private peer: Pick<Peer, "remoteAddress"> | undefined = undefined

  constructor(observer: HandshakeObserver, role: Role, context: Context.Context<never>) {
    this.observer = observer
    this.role = role
    this.context = context
    this.totals = observer.totals(role)
    this.clock = Context.get(context, Clock.Clock)
    this.startedAt = this.clock.monotonicTimeNanosUnsafe()
    if (this.totals !== undefined) this.totals.handshakes++
  }

  /** A server has read a request. */
  received(request: UpgradeRequest, peer: Peer | undefined): void {
    const { extractTraceContext } = this.observer.settings
    this.path = request.path
    this.peer = peer
    this.asked(
      { ...request, scheme: request.secure === true ? "wss" : "ws", peer },
      extractTraceContext ? parentOf(request.headers) : undefined
    )
  }

  /** A client is about to ask: the headers to send beside its own. */
  sending(
    version: UpgradeRequest["version"],
    url: URL,
    headers: HeaderFields,
    peer: Push.PeerInfo | undefined
  ): HeaderFields {
    const scheme = url.protocol === "wss:" || url.protocol === "https:" ? "wss" : "ws"
    this.asked({ version, path: url.pathname, scheme, host: url.host, headers, peer }, undefined)
    const { span } = this
    const isSent =
      span !== undefined &&
      this.observer.settings.injectTraceContext &&
      !Fields.has(headers, "traceparent") &&
      !Context.get(span.annotations, Tracer.DisablePropagation)
    return isSent
      ? [...headers, { name: "traceparent", value: HttpTraceContext.toHeaders(span)["traceparent"]! }]
      : headers
  }

  private asked(request: RequestAttributes, parent: Tracer.AnySpan | undefined): void {
    if (!this.observer.settings.spans) return
    this.attributes = attributesOf(request)
    this.span = makeSpan(this.context, "websocket.handshake", {
      kind: this.role,
      attributes: {
        ...(request.version === "HTTP/2"
          ? { "http.request.method": "CONNECT", "network.protocol.version": "2" }
          : { "http.request.method": "GET" }),
        ...this.attributes
      },
      ...(parent === undefined ? {} : { parent })
    })
  }

  /** The status of the answer is known. */
  answered(status: number): void {
    this.status = status
  }

  /** Runs an effect whose spans are part of this handshake. */
  within<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const { span } = this
    return span === undefined ? effect : Effect.provideService(effect, Tracer.ParentSpan, span)
  }

  /** The handshake has led to a connection. */
  opened(subprotocol: string | undefined, extensions: ReadonlyArray<{ readonly name: string }>): ConnectionMetrics {
    const parent = this.span
    if (parent === undefined) return this.observer.meter(this.role, undefined, this.context)
    const span = makeSpan(this.context, "websocket.connection", {
      kind: this.role,
      parent,
      attributes: this.attributes
    })
    if (subprotocol !== undefined) span.attribute("websocket.subprotocol", subprotocol)
    if (extensions.length > 0) {
      span.attribute(
        "websocket.extensions",
        extensions.map(({ name }) => name)
      )
    }
    return this.observer.meter(this.role, span, this.context)
  }

  /** Records how the handshake ended; `peer` is who sent a request that could not be read. */
  end(exit: Exit.Exit<unknown, unknown>, peer?: Pick<Peer, "remoteAddress">): void {
    const failure = Exit.isSuccess(exit) ? undefined : describe(exit.cause)
    const status = failure === undefined ? (this.status ?? 101) : (failure.status ?? this.status)
    const outcome = failure === undefined ? "opened" : failure.error === "AnsweredAsHttp" ? "answered" : "failed"
    const { span, totals } = this
    if (failure !== undefined && outcome === "failed" && failure.error !== "Interrupted") {
      const { error: rule, reason } = failure
      this.observer.server?.refused({ status, rule, reason, path: this.path, peer: this.peer ?? peer })
    }
    if (totals !== undefined) {
      totals.handshakes--
      totals.handshakeTook(toSeconds(this.clock.monotonicTimeNanosUnsafe() - this.startedAt), outcome)
      if (failure !== undefined && outcome === "failed") totals.handshakeFailed(status, failure.error)
    }
    if (span === undefined) return
    if (status !== undefined) span.attribute("http.response.status_code", status)
    if (failure !== undefined) span.attribute("error.type", failure.error)
    span.end(this.clock.currentTimeNanosUnsafe(), exit)
  }
}

/** Makes a span from outside of a fiber, as one inside would: where it is filtered out it records nothing. */
export const makeSpan = (
  context: Context.Context<never>,
  name: string,
  options: Tracer.SpanOptionsNoTrace
): Tracer.Span => Effect.runSyncWith(context)(Effect.makeSpan(name, options))

const parentOf = (headers: HeaderFields): Tracer.AnySpan | undefined =>
  Option.getOrUndefined(
    HttpTraceContext.fromHeaders(Headers.fromInput(headers.map(({ name, value }) => [name, value] as const)))
  )

// Names are those of OpenTelemetry's semantic conventions. The query is left out: browsers cannot send headers with a
// WebSocket, so this is where they put their tokens.
const attributesOf = ({ headers, host, path, peer, scheme }: RequestAttributes): Record<string, unknown> => {
  const address = /^(.*?)(?::(\d+))?$/.exec(host)
  const userAgent = Fields.get(headers, "User-Agent")
  const remote = (peer?.proxy ?? peer)?.remoteAddress
  const client = peer?.proxy === undefined ? undefined : peer.remoteAddress
  return {
    "url.scheme": scheme,
    "url.path": path,
    "server.address": address?.[1] ?? host,
    ...(address?.[2] === undefined ? {} : { "server.port": Number(address[2]) }),
    ...(userAgent === undefined ? {} : { "user_agent.original": userAgent }),
    ...(remote === undefined ? {} : addressAttributes("network.peer", remote)),
    ...(client === undefined ? {} : addressAttributes("client", client))
  }
}

const addressAttributes = (
  prefix: "network.peer" | "client",
  address: NonNullable<Push.PeerInfo["remoteAddress"]>
): Record<string, unknown> => {
  if ("path" in address) return { [`${prefix}.address`]: address.path }
  const { host, port } = Dialer.hostPort(address)
  return { [`${prefix}.address`]: host, ...(port === 0 ? {} : { [`${prefix}.port`]: port }) }
}

interface Failure {
  readonly error: string
  readonly status: number | undefined
  readonly reason: string
}

const describe = (cause: Cause.Cause<unknown>): Failure => {
  const found = Cause.findError(cause)
  if (Result.isFailure(found)) {
    const isInterrupted = Cause.hasInterruptsOnly(cause)
    return isInterrupted
      ? { error: "Interrupted", status: undefined, reason: "the server stopped" }
      : { error: "Defect", status: undefined, reason: "the program failed; see the server's log" }
  }
  const error = found.success
  if (error instanceof HandshakeRejection) return { error: error.rule, status: error.status, reason: error.reason }
  const { _tag, message, rule, status } = error as {
    readonly _tag?: string
    readonly message?: string
    readonly rule?: string
    readonly status?: number
  }
  return { error: rule ?? _tag ?? "Unknown", status, reason: message ?? "" }
}
