/**
 * The error for a peer that broke RFC 6455. There is one name for each MUST that a frame can break, with the close code
 * that answers it.
 *
 * Tests, logs and metrics name a violation by its `rule`; the peer reads its message as the close reason. The rules
 * themselves stand in `internal/rules`. `SessionSchema` has a Schema of the error.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { describe, frameRules, peerRules } from "./internal/rules.ts"
import { withoutStack } from "./internal/withoutStack.ts"

const definitions = { ...frameRules, ...peerRules }

/**
 * The name of a rule that a peer can break.
 *
 * @category models
 * @since 0.1.0
 */
export type Rule = keyof typeof definitions

/**
 * The names of all rules that a peer can break.
 *
 * @category constants
 * @since 0.1.0
 */
export const rules: ReadonlyArray<Rule> = Object.keys(definitions) as ReadonlyArray<Rule>

/**
 * A rule that the peer broke. The connection fails with {@link ProtocolViolation.closeCode}.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProtocolViolation extends Data.TaggedError("ProtocolViolation")<{
  readonly rule: Rule
  /** Description of what was received in place of what the rule expects. */
  readonly received: string
}> {
  /** The close code that answers this violation: 1002, 1007, 1008 or 1009. */
  get closeCode(): 1002 | 1007 | 1008 | 1009 {
    return definitions[this.rule].code
  }

  /** The section of RFC 6455 that states the rule. */
  get section(): string {
    return definitions[this.rule].section
  }

  override get message(): string {
    return describe(this.received, definitions[this.rule])
  }
}

/**
 * A violation of one of the rules `R`.
 *
 * @category models
 * @since 0.1.0
 */
export type Of<R extends Rule> = ProtocolViolation & { readonly rule: R }

/**
 * Creates a violation of a rule; `received` says what the peer sent. The error has no stack trace.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R extends Rule>(rule: R, received: string): Of<R> =>
  withoutStack(() => new ProtocolViolation({ rule, received }) as Of<R>)
