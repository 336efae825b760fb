/**
 * A record of what happens on the connections of a server: which are open, what went over them, how others ended, and
 * which handshakes were refused and why.
 *
 * Provide {@link layer} to a server, and the server's connections are in the record. `InspectorServer` and
 * `InspectorRoute` show it as a page; a program reads it with the service {@link Inspector}. Everything in it is
 * bounded by the options. Without a viewer, a connection costs one small object and a frame a few additions.
 *
 * @since 0.1.0
 */
import { CurrentServerObserver } from "@effect-ws/connection/ServerObserver"
import type { ObservedServer } from "@effect-ws/connection/ServerObserver"
import * as Argument from "@effect-ws/protocol/Argument"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { withRecord } from "./internal/recordOf.ts"
import { ServerRecord } from "./internal/ServerRecord.ts"
import type { Recording } from "./Recording.ts"
import type { ClosedConnection, OpenConnection, Refusal, Totals } from "./internal/ServerState.ts"
import type { Settings } from "./internal/Settings.ts"

export type { ClosedConnection, OpenConnection, Refusal, Totals, Traffic } from "./internal/ServerState.ts"

/**
 * What is recorded, and how much of it is kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * What is kept of the payloads of data frames: nothing; the first `previewBytes`; or all of it, as far as
   * `maxLogBytes` allows, so that a recording can be replayed. Payloads are what users send, so this is off unless
   * asked for. Default: "none".
   */
  readonly payloads?: "none" | "preview" | "full" | undefined
  /** Bytes that a preview has. Default: 64. */
  readonly previewBytes?: number | undefined
  /**
   * Whose frames are kept: those of connections that a viewer has selected, from then on; or those of all, from their
   * opening, as far as `maxLogs` allows. Default: "selected".
   */
  readonly frames?: "selected" | "all" | undefined
  /** Maximum connections whose frames are kept at a time; logs of closed ones give way first. Default: 64. */
  readonly maxLogs?: number | undefined
  /** Maximum frames kept of one connection; the oldest give way. Default: 512. */
  readonly maxFrames?: number | undefined
  /** Maximum bytes of payloads kept of one connection; the oldest frames give way. Default: 1 MiB. */
  readonly maxLogBytes?: number | undefined
  /** Maximum open connections in the record; those beyond it are counted and not listed. Default: 65536. */
  readonly maxConnections?: number | undefined
  /** Maximum closed connections in the record; the oldest give way. Default: 256. */
  readonly maxClosed?: number | undefined
  /** Maximum refused handshakes in the record; the oldest give way. Default: 256. */
  readonly maxRefusals?: number | undefined
  /**
   * Names of header fields whose values are not shown, beside `Authorization`, `Proxy-Authorization`, `Cookie`, the
   * subprotocols that a client offers, and every query. Default: none.
   */
  readonly redactHeaders?: ReadonlyArray<string> | undefined
}

/**
 * The record of the servers that {@link layer} was provided to.
 *
 * @category services
 * @since 0.1.0
 */
export class Inspector extends Context.Service<
  Inspector,
  {
    /** The connections that are open, oldest first. */
    readonly connections: Effect.Effect<ReadonlyArray<OpenConnection>>
    /** The connections that closed last, oldest first. */
    readonly closed: Effect.Effect<ReadonlyArray<ClosedConnection>>
    /** The handshakes that were refused last, oldest first. */
    readonly refusals: Effect.Effect<ReadonlyArray<Refusal>>
    readonly totals: Effect.Effect<Totals>
    /** The servers that run. */
    readonly servers: Effect.Effect<ReadonlyArray<ObservedServer>>
    /**
     * Keeps the frames of a connection until the Scope closes. Returns `false` where there is no such connection, or
     * where `maxLogs` connections are watched already.
     */
    readonly watch: (id: number) => Effect.Effect<boolean, never, Scope.Scope>
    /** The frames that are kept of a connection, open or closed, as a recording. `undefined` where there are none. */
    readonly recording: (id: number) => Effect.Effect<Recording | undefined>
  }
>()("@effect-ws/inspector/Inspector") {}

/**
 * Records what happens on the servers that it is provided to.
 *
 * **Example** (Serving the record as a page on a port of its own)
 *
 * ```ts skip-type-checking
 * Layer.mergeAll(Chat, InspectorServer.layer({ port: 9000 })).pipe(
 *   Layer.provide(Inspector.layer()),
 *   Layer.provide(Tcp.layerServer({ port: 8000 }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Inspector> =>
  Layer.effectContext(
    Effect.contextWith((context: Context.Context<never>) => {
      const record = new ServerRecord(settingsOf(options), Context.get(context, Clock.Clock))
      const services = Context.make(
        Inspector,
        withRecord(Inspector.of(viewOf(record)), record)
      ) as Context.Context<Inspector>
      return Effect.succeed(Context.add(services, CurrentServerObserver, record))
    })
  )

/**
 * Records nothing, where an outer layer records: for servers that should not be in the record.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOff: Layer.Layer<never> = Layer.succeed(CurrentServerObserver, undefined)

const viewOf = (record: ServerRecord): Inspector["Service"] => ({
  connections: Effect.sync(() => record.openConnections()),
  closed: Effect.sync(() => record.closedConnections()),
  refusals: Effect.sync(() => record.refusals.slice()),
  totals: Effect.sync(() => record.totals()),
  servers: Effect.sync(() => [...record.servers]),
  watch: (id) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => record.watch(id)),
        (watched) => Effect.sync(() => watched && record.unwatch(watched))
      ),
      (watched) => watched !== undefined
    ),
  recording: (id) => Effect.sync(() => record.recording(id))
})

/** The options with their defaults. */

const settingsOf = (options: Options): Settings => {
  const { frames = "selected", payloads = "none" } = options
  const maxLogBytes = Argument.limit("maxLogBytes", options.maxLogBytes ?? 1024 * 1024)
  const previewBytes = Argument.limit("previewBytes", options.previewBytes ?? 64)
  return {
    frames,
    payloads,
    previewBytes,
    bounds: {
      maxFrames: Argument.limit("maxFrames", options.maxFrames ?? 512, 1),
      maxBytes: maxLogBytes,
      payloadBytes: payloads === "none" ? 0 : Math.min(maxLogBytes, payloads === "preview" ? previewBytes : maxLogBytes)
    },
    maxLogs: Argument.limit("maxLogs", options.maxLogs ?? 64),
    maxConnections: Argument.limit("maxConnections", options.maxConnections ?? 65_536),
    maxClosed: Argument.limit("maxClosed", options.maxClosed ?? 256),
    maxRefusals: Argument.limit("maxRefusals", options.maxRefusals ?? 256),
    redact: new Set((options.redactHeaders ?? []).map((name) => name.toLowerCase()))
  }
}
