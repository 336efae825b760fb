/**
 * The error for a call that would make this end break RFC 6455. Nothing was sent, and the connection continues.
 *
 * A peer that breaks a rule is a `ProtocolViolation`. Both errors name a rule by the same name. `SessionSchema` has a
 * Schema of the error.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { callerRules, describe, frameRules } from "./internal/rules.ts"

const definitions = { ...frameRules, ...callerRules }

/**
 * The name of a rule that a caller can break.
 *
 * @category models
 * @since 0.1.0
 */
export type Rule = keyof typeof definitions

/**
 * The names of all rules that a caller can break.
 *
 * @category constants
 * @since 0.1.0
 */
export const rules: ReadonlyArray<Rule> = Object.keys(definitions) as ReadonlyArray<Rule>

/**
 * A call that would break a rule. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class SendError extends Data.TaggedError("SendError")<{
  readonly rule: Rule
  /** Description of what the caller wanted to send. */
  readonly attempted: string
}> {
  /** The section of RFC 6455 that states the rule. */
  get section(): string {
    return definitions[this.rule].section
  }

  override get message(): string {
    return describe(this.attempted, definitions[this.rule])
  }
}

/**
 * Creates the error for a rule; `attempted` says what the caller wanted to send.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (rule: Rule, attempted: string): SendError => new SendError({ rule, attempted })
