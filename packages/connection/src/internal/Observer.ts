/**
 * Who watches the connections of a server or client: what `Telemetry.layer` puts into the context.
 */
import type { Source } from "../Fanout.ts"
import type { Role } from "@effect-ws/protocol/SessionState"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Tracer from "effect/Tracer"
import * as Handshaking from "./Handshaking.ts"
import { Meter } from "./Meter.ts"
import { publishedOf } from "./Published.ts"
import type { Published } from "./Published.ts"
import { totalsOf } from "./Totals.ts"
import type { Totals } from "./Totals.ts"

/** What is watched; everything is decided here. */
export interface Watching {
  readonly metrics: boolean
  readonly spans: boolean
  readonly messageSpans: boolean
  readonly acceptTrace: boolean
  readonly sendTrace: boolean
  readonly logAnnotations: boolean
}

export class Observer {
  readonly watching: Watching
  /** Where the metrics are. */
  private readonly context: Context.Context<never>

  constructor(watching: Watching, context: Context.Context<never>) {
    this.watching = watching
    this.context = context
  }

  totals(role: Role): Totals | undefined {
    return this.watching.metrics ? totalsOf(role, this.context) : undefined
  }

  published(source: Source): Published | undefined {
    return this.watching.metrics ? publishedOf(source, this.context) : undefined
  }

  /** Does a handshake that is watched. */
  handshake<A, E, R>(
    role: Role,
    run: (handshaking: Handshaking.Handshaking) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> {
    return Effect.contextWith((context: Context.Context<R>) => {
      const handshaking = new Handshaking.Handshaking(this, role, context as Context.Context<never>)
      return Effect.onExit(run(handshaking), (exit) => Effect.sync(() => handshaking.end(exit)))
    })
  }

  /** What a connection is measured with when its handshake is done. */
  meter(role: Role, span: Tracer.Span | undefined, context: Context.Context<never>): Meter {
    return new Meter(this.totals(role), span, this.watching, context)
  }
}
