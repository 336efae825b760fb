/**
 * Authentication of a client to a server or a proxy: chooses the credentials of the next request, and decides whether a
 * refused request is retried with other credentials.
 */
import { digestHashes } from "@effect-ws/connection/internal"
import * as ClientAuth from "@effect-ws/protocol/ClientAuth"
import type { Challenge } from "@effect-ws/protocol/Authorization"
import * as Option from "effect/Option"
import { randomBytes } from "node:crypto"

export interface AuthSessionOptions {
  readonly credentials: ClientAuth.ClientCredentials | undefined
  readonly schemes: ReadonlyArray<"Basic" | "Digest" | "Bearer"> | undefined
  /** Whether the first request carries credentials. */
  readonly preemptive: boolean
}

/** The request that the credentials are for. */
export interface Asked {
  readonly method: string
  readonly uri: string
}

export class AuthSession {
  private readonly options: AuthSessionOptions
  private challenges: ReadonlyArray<Challenge> | undefined = undefined
  // How often the nonce of the challenges was used, and whether they replaced stale ones.
  private nonceCount = 0
  private cnonce = ""
  private renewed = false
  // The credentials of the last request.
  private lastSent: string | undefined = undefined

  constructor(options: AuthSessionOptions) {
    this.options = options
  }

  /** Returns the credentials of the next request, if any. */
  next(asked: Asked): string | undefined {
    this.lastSent = Option.getOrUndefined(this.build(asked))
    return this.lastSent
  }

  private build(asked: Asked): Option.Option<string> {
    const { preemptive, credentials, schemes } = this.options
    if (credentials === undefined) return Option.none()
    if (this.challenges !== undefined) return this.answer(asked, credentials, this.challenges, ++this.nonceCount)
    const scheme = credentials._tag === "Token" ? "Bearer" : "Basic"
    return preemptive && (schemes === undefined || schemes.includes(scheme))
      ? ClientAuth.preemptive(credentials)
      : Option.none()
  }

  private answer(
    asked: Asked,
    credentials: ClientAuth.ClientCredentials,
    challenges: ReadonlyArray<Challenge>,
    nc: number
  ): Option.Option<string> {
    const { schemes } = this.options
    return ClientAuth.respondToChallenge(challenges, credentials, {
      ...asked,
      cnonce: this.cnonce,
      nc,
      hashes: digestHashes,
      schemes
    })
  }

  /** Takes the challenges of a refusal. Returns whether there are credentials for them that were not sent yet. */
  challenge(challenges: ReadonlyArray<Challenge>, asked: Asked): boolean {
    const { credentials } = this.options
    if (credentials === undefined) return false
    if (this.challenges !== undefined) {
      // A nonce may be stale once; any other refusal means that the credentials are wrong.
      if (this.renewed || !ClientAuth.isStale(challenges)) return false
      this.renewed = true
    }
    // RFC 7616 3.4.2: a -sess session key contains the first cnonce, so the cnonce stays the same as long as the nonce.
    this.cnonce = randomBytes(16).toString("hex")
    const answer = this.answer(asked, credentials, challenges, 1)
    if (Option.isNone(answer) || answer.value === this.lastSent) return false
    this.challenges = challenges
    this.nonceCount = 0
    return true
  }

  /** Continues with another request to the same origin, where the nonce may be stale again. */
  moved(): void {
    this.renewed = false
  }
}
