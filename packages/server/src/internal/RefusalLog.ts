/**
 * Logs refused handshakes, at a level that an operator sees, and few enough of them that an attacker cannot fill the
 * log: the first of each rule at once, and then one in each interval, with the number of those between.
 */
import type { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import * as Dialer from "@effect-ws/transport/Dialer"
import * as Monotonic from "@effect-ws/transport/Monotonic"
import type * as Push from "@effect-ws/transport/Push"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** What was logged of a rule, and what was not since then. */
interface Rule {
  loggedAt: number
  omitted: number
}

export class RefusalLog {
  private readonly context: Context.Context<never>
  private readonly clock: Clock.Clock
  // In milliseconds.
  private readonly interval: number
  // As many as there are rules in the protocol.
  private readonly rules = new Map<string, Rule>()

  constructor(context: Context.Context<never>, interval: Duration.Duration) {
    this.context = context
    this.interval = Duration.toMillis(interval)
    this.clock = Context.get(context, Clock.Clock)
  }

  refused(rejection: HandshakeRejection, remoteAddress: Push.PeerInfo["remoteAddress"]): void {
    const now = Monotonic.millisUnsafe(this.clock)
    const rule = this.rules.get(rejection.rule)
    if (rule !== undefined && now - rule.loggedAt < this.interval) return void rule.omitted++
    this.rules.set(rejection.rule, { loggedAt: now, omitted: 0 })
    const from = remoteAddress === undefined ? "" : ` from ${Dialer.formatAddress(remoteAddress)}`
    const more =
      rule === undefined || rule.omitted === 0 ? "" : ` (and ${rule.omitted} others since the last such line)`
    const text = `Rejected a handshake${from} with ${rejection.status}: ${rejection.reason}${more}`
    const log = rejection.status >= 500 ? Effect.logWarning(text) : Effect.logInfo(text)
    Effect.runForkWith(this.context)(Effect.annotateLogs(log, { rule: rejection.rule }))
  }
}
