/**
 * The state of one `connect` across redirects and challenges: the current target, and the secrets of the program that
 * the next request may carry. A redirect to another origin drops these secrets permanently.
 */
import * as Argument from "@effect-ws/protocol/Argument"
import type { Challenge } from "@effect-ws/protocol/Authorization"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import { equalsIgnoreCase } from "@effect-ws/protocol/HeaderGrammar"
import * as Duration from "effect/Duration"
import type { ClientOptions } from "./ClientOptions.ts"
import type { TlsOptions } from "./TlsOptions.ts"
import * as Target from "../Target.ts"
import { AuthSession } from "./AuthSession.ts"
import type { Asked } from "./AuthSession.ts"

const defaultBodyTimeout = Duration.seconds(2)

export class ConnectState {
  target: Target.Target
  redirects = 0
  readonly maxRedirects: number
  readonly maxBodyBytes: number
  readonly bodyTimeout: Duration.Duration
  private readonly options: ClientOptions
  private given: HeaderFields.HeaderFields
  private auth: AuthSession | undefined
  private identified: TlsOptions | undefined
  // Of the last request: RFC 8441 makes it CONNECT.
  private method: "GET" | "CONNECT" = "GET"

  constructor(target: Target.Target, options: ClientOptions) {
    const credentials = options.credentials ?? target.userInfo
    const mode = options.sendCredentials ?? (credentials?._tag === "Token" ? "preemptive" : "on-challenge")
    this.maxRedirects = Argument.limit("maxRedirects", options.maxRedirects ?? 10)
    this.maxBodyBytes = Argument.limit("maxBodyBytes", options.maxBodyBytes ?? 64 * 1024)
    this.bodyTimeout = Argument.duration("bodyTimeout", options.bodyTimeout ?? defaultBodyTimeout)
    this.target = target
    this.options = options
    this.given = HeaderFields.fromInput(options.headers)
    this.auth =
      credentials && new AuthSession({ credentials, schemes: options.authSchemes, preemptive: mode === "preemptive" })
    this.identified = options.tls
  }

  get tls(): TlsOptions | undefined {
    return this.identified
  }

  /** Returns the headers of the next request: the program's, and the credentials. */
  headers(method: "GET" | "CONNECT"): HeaderFields.HeaderFields {
    this.method = method
    const value = this.auth?.next(this.asked)
    if (value === undefined) return this.given
    return [
      ...this.given.filter(({ name }) => !equalsIgnoreCase(name, "Authorization")),
      { name: "Authorization", value }
    ]
  }

  private get asked(): Asked {
    return { method: this.method, uri: this.target.url.pathname + this.target.url.search }
  }

  /** Takes the challenges of a 401. Returns whether there are credentials for them that were not sent yet. */
  challenge(challenges: ReadonlyArray<Challenge>): boolean {
    return this.auth?.challenge(challenges, this.asked) ?? false
  }

  /** Moves to the target of a redirect. */
  followRedirect(target: Target.Target): void {
    this.redirects++
    if (Target.isSameOrigin(this.target, target)) {
      this.auth?.moved()
    } else {
      // Any header may be a secret, not only Authorization and Cookie.
      this.given = HeaderFields.empty
      this.auth = undefined
      const { tls } = this.options
      this.identified = tls && { ca: tls.ca, rejectUnauthorized: tls.rejectUnauthorized }
    }
    this.target = target
  }
}
