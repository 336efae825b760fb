/**
 * The way of one `connect` through redirects and challenges: where it is, and what of the program's secrets it still
 * carries. They are put down where the way leaves the origin they were given for, and not taken up again.
 */
import * as AuthAnswer from "@effect-ws/protocol/AuthAnswer"
import type { Challenge } from "@effect-ws/protocol/Authorization"
import type { Hashes } from "@effect-ws/protocol/DigestAuth"
import type { HeaderFields } from "@effect-ws/protocol/HeaderFields"
import { equalsIgnoreCase } from "@effect-ws/protocol/HeaderGrammar"
import * as Option from "effect/Option"
import { createHash, randomBytes } from "node:crypto"
import type { ClientOptions, TlsOptions } from "../Client.ts"
import * as Target from "../Target.ts"

export class Journey {
  target: Target.Target
  redirects = 0
  private readonly options: ClientOptions
  private given: HeaderFields
  private proof: AuthAnswer.Proof | undefined
  private identified: TlsOptions | undefined
  private challenges: ReadonlyArray<Challenge> | undefined = undefined
  // How often the nonce of the challenges was used, and whether they took the place of stale ones.
  private nonceCount = 0
  private cnonce = ""
  private renewed = false
  // What the last request said we are.
  private shown: string | undefined = undefined

  constructor(target: Target.Target, options: ClientOptions) {
    this.target = target
    this.options = options
    this.given = options.headers ?? []
    this.proof = options.credentials ?? target.userInfo
    this.identified = options.tls
  }

  get tls(): TlsOptions | undefined {
    return this.identified
  }

  /** The headers to send with the next request: the program's, and who we are. */
  headers(): HeaderFields {
    this.shown = Option.getOrUndefined(this.authorization())
    if (this.shown === undefined) return this.given
    return [
      ...this.given.filter(({ name }) => !equalsIgnoreCase(name, "Authorization")),
      { name: "Authorization", value: this.shown }
    ]
  }

  private authorization(): Option.Option<string> {
    const { challenges, options, proof } = this
    if (proof === undefined) return Option.none()
    if (challenges !== undefined) return this.answer(proof, challenges, ++this.nonceCount)
    const mode = options.sendCredentials ?? (proof._tag === "Token" ? "at-once" : "when-asked")
    return mode === "at-once" ? AuthAnswer.unasked(proof) : Option.none()
  }

  private answer(proof: AuthAnswer.Proof, challenges: ReadonlyArray<Challenge>, nc: number): Option.Option<string> {
    return AuthAnswer.answer(challenges, proof, {
      method: "GET",
      uri: this.target.url.pathname + this.target.url.search,
      cnonce: this.cnonce,
      nc,
      hashes,
      schemes: this.options.authSchemes
    })
  }

  /** Takes the challenges of a 401, and tells whether there is an answer to them that was not given yet. */
  challenge(challenges: ReadonlyArray<Challenge>): boolean {
    const { proof } = this
    if (proof === undefined) return false
    if (this.challenges !== undefined) {
      // A nonce may be too old, once; otherwise an answer that was refused is wrong.
      if (this.renewed || !AuthAnswer.isStale(challenges)) return false
      this.renewed = true
    }
    // RFC 7616 3.4.2: a -sess session is made of its first cnonce, so it stays what it is as long as the nonce does.
    this.cnonce = randomBytes(16).toString("hex")
    const answer = this.answer(proof, challenges, 1)
    if (Option.isNone(answer) || answer.value === this.shown) return false
    this.challenges = challenges
    this.nonceCount = 0
    return true
  }

  /** Goes where a redirect leads. */
  moveTo(target: Target.Target): void {
    this.redirects++
    this.renewed = false
    if (!Target.isSameOrigin(this.target, target)) {
      // Any header may be a secret, not only Authorization and Cookie.
      this.given = []
      this.proof = undefined
      this.challenges = undefined
      const { tls } = this.options
      this.identified = tls && { ca: tls.ca, dangerouslyIgnoreCertificate: tls.dangerouslyIgnoreCertificate }
    }
    this.target = target
  }
}

const hash =
  (name: string) =>
  (bytes: Uint8Array): Uint8Array =>
    createHash(name).update(bytes).digest()

const hashes: Hashes = { "SHA-512-256": hash("sha512-256"), "SHA-256": hash("sha256"), MD5: hash("md5") }
