/**
 * Which connections a server lets in. It counts the handshakes that are under way, from the moment at which a connection
 * was accepted (with TLS: before its TLS handshake) to the answer, and enforces the bounds on them: for the whole server,
 * and for each remote address.
 *
 * Where a bound is reached, the oldest handshake whose client is silent makes room for the new one. So a client that
 * opens sockets and sends nothing only displaces its own kind, and an honest client gets in. Only where no handshake is
 * silent is the new connection refused.
 */
import type { HandshakeUnderWay } from "@effect-ws/connection/Accept"
import type { Peer } from "@effect-ws/connection/Peer"
import * as Argument from "@effect-ws/protocol/Argument"
import { addressKey } from "@effect-ws/transport/AddressKey"
import * as Monotonic from "@effect-ws/transport/Monotonic"
import type { PeerInfo } from "@effect-ws/transport/Push"
import * as TrustedProxies from "@effect-ws/transport/TrustedProxies"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"

/** How much a server takes on at once. */
export interface Capacity {
  readonly maxConnections?: number | undefined
  readonly maxHandshakes?: number | undefined
  readonly maxConnectionsPerAddress?: number | undefined
  readonly maxHandshakesPerAddress?: number | undefined
  readonly handshakeTimeout?: Duration.Input | undefined
  readonly trustedProxies?: ReadonlyArray<string> | undefined
}

type Bound = Extract<keyof Capacity, `max${string}`>

/** Why a connection is refused, as its client is told. */
export interface Refusal {
  readonly status: 429 | 503
  readonly reason: string
}

const tooManyHandshakes: Refusal = { status: 503, reason: "too many handshakes are under way" }
const tooManyConnections: Refusal = { status: 503, reason: "too many connections are open" }
// RFC 6585 4: "The 429 status code indicates that the user has sent too many requests in a given amount of time"
const tooManyHandshakesOfAddress: Refusal = {
  status: 429,
  reason: "too many handshakes from this address are under way"
}
const tooManyConnectionsOfAddress: Refusal = { status: 429, reason: "too many connections from this address are open" }

/** A handshake under way. */
export class Candidate {
  /** What counts the client; `undefined` where nothing does. */
  address: string | undefined
  /** The monotonic time when its connection was accepted, in milliseconds. */
  readonly since: number
  readonly refusal: Refusal | undefined
  stage: HandshakeUnderWay | undefined = undefined

  constructor(address: string | undefined, since: number, refusal: Refusal | undefined) {
    this.address = address
    this.since = since
    this.refusal = refusal
  }
}

/** What is counted together: the whole server, or one remote address. */
class Tally {
  // In the order in which they were accepted.
  readonly underWay = new Set<Candidate>()
  open = 0
  // Those under way that are only to be told that they are refused.
  private refused = 0
  private readonly maxHandshakes: number
  private readonly maxConnections: number

  constructor(maxHandshakes: number, maxConnections: number) {
    this.maxHandshakes = maxHandshakes
    this.maxConnections = maxConnections
  }

  /** Whether more are waiting to be told that they are refused than it may have handshakes. */
  get hasTooManyRefused(): boolean {
    return this.refused > this.maxHandshakes
  }

  get hasRoomForHandshake(): boolean {
    return this.underWay.size < this.maxHandshakes
  }

  get hasRoomForConnection(): boolean {
    return this.open + this.underWay.size - this.refused < this.maxConnections
  }

  get isEmpty(): boolean {
    return this.open === 0 && this.underWay.size === 0
  }

  enter(candidate: Candidate): void {
    this.underWay.add(candidate)
    if (candidate.refusal !== undefined) this.refused++
  }

  leave(candidate: Candidate): void {
    if (this.underWay.delete(candidate) && candidate.refusal !== undefined) this.refused--
  }
}

export class Admission {
  private readonly all: Tally
  private readonly addresses = new Map<string, Tally>()
  private readonly maxConnectionsPerAddress: number
  private readonly maxHandshakesPerAddress: number
  // A client that has sent a part of its request, and not the rest, is silent after so many milliseconds.
  private readonly patience: number
  private readonly clock: Clock.Clock
  private readonly trusted: TrustedProxies.TrustedProxies

  constructor(capacity: Capacity, clock: Clock.Clock) {
    const limitOf = (name: Bound, otherwise: number): number => Argument.limit(name, capacity[name] ?? otherwise)
    this.all = new Tally(limitOf("maxHandshakes", 1024), limitOf("maxConnections", Infinity))
    this.maxConnectionsPerAddress = limitOf("maxConnectionsPerAddress", Infinity)
    this.maxHandshakesPerAddress = limitOf("maxHandshakesPerAddress", Infinity)
    const timeout = Duration.toMillis(Argument.duration("handshakeTimeout", capacity.handshakeTimeout ?? "10 seconds"))
    this.patience = timeout / 2
    this.clock = clock
    this.trusted = TrustedProxies.make(capacity.trustedProxies ?? [])
  }

  get size(): number {
    return this.all.underWay.size
  }

  get candidates(): Iterable<Candidate> {
    return this.all.underWay
  }

  /**
   * Whether a connection on which HTTP cannot be spoken yet is dropped: it is refused, and as many others are that wait for
   * TLS to be told so.
   */
  isDropped({ refusal }: Candidate): boolean {
    return refusal !== undefined && this.all.hasTooManyRefused
  }

  has(candidate: Candidate): boolean {
    return this.all.underWay.has(candidate)
  }

  private get countsAddresses(): boolean {
    return this.maxConnectionsPerAddress !== Infinity || this.maxHandshakesPerAddress !== Infinity
  }

  /** Returns what counts a peer by its own address. A trusted proxy is many clients, and its address counts none. */
  keyOf(peer: Pick<PeerInfo, "localAddress" | "remoteAddress"> | undefined): string | undefined {
    if (!this.countsAddresses || peer === undefined || TrustedProxies.hasPeer(this.trusted, peer)) return undefined
    return addressKey(peer.remoteAddress)
  }

  /** Counts a connection that was accepted. Its `refusal` says whether there is room for it. */
  enter(address: string | undefined): Candidate {
    const candidate = new Candidate(address, Monotonic.millisUnsafe(this.clock), this.makeRoom(address))
    this.all.enter(candidate)
    if (address !== undefined) this.of(address).enter(candidate)
    return candidate
  }

  /** Counts a handshake by the address that the PROXY protocol told, and says whether there is room for it. */
  identify(
    candidate: Candidate,
    peer: Pick<PeerInfo, "localAddress" | "remoteAddress"> | undefined
  ): Refusal | undefined {
    return this.countFor(candidate, this.keyOf(peer))
  }

  /** Counts a handshake by the client for which a trusted proxy forwards it, and says whether there is room for it. */
  forwarded(candidate: Candidate, { proxy, remoteAddress }: Peer): Refusal | undefined {
    // A proxy that does not say for whom it forwards is many clients.
    const isTold = this.countsAddresses && remoteAddress !== proxy?.remoteAddress
    return this.countFor(candidate, isTold ? addressKey(remoteAddress) : undefined)
  }

  private countFor(candidate: Candidate, address: string | undefined): Refusal | undefined {
    if (address === undefined || candidate.address !== undefined) return undefined
    const refusal = this.makeRoomOf(address)
    candidate.address = address
    this.of(address).enter(candidate)
    return refusal
  }

  /** The handshake is over. */
  leave(candidate: Candidate): void {
    const { address } = candidate
    candidate.stage = undefined
    this.all.leave(candidate)
    if (address !== undefined) this.change(address, (own) => own.leave(candidate))
  }

  /** A handshake led to a connection. */
  opened(address: string | undefined): void {
    this.all.open++
    if (address !== undefined) this.of(address).open++
  }

  /** A connection is gone. */
  closed(address: string | undefined): void {
    this.all.open--
    if (address !== undefined) this.change(address, (own) => void own.open--)
  }

  private makeRoom(address: string | undefined): Refusal | undefined {
    const refusal = address === undefined ? undefined : this.makeRoomOf(address)
    if (refusal !== undefined) return refusal
    if (!this.all.hasRoomForHandshake && !this.evictFrom(this.all)) return tooManyHandshakes
    if (!this.all.hasRoomForConnection && !this.evictFrom(this.all)) return tooManyConnections
    return undefined
  }

  private makeRoomOf(address: string): Refusal | undefined {
    const own = this.of(address)
    if (!own.hasRoomForHandshake && !this.evictFrom(own)) return tooManyHandshakesOfAddress
    if (!own.hasRoomForConnection && !this.evictFrom(own)) return tooManyConnectionsOfAddress
    return undefined
  }

  /** Makes the oldest silent handshake give way, if there is one. */
  private evictFrom({ underWay }: Tally): boolean {
    const now = Monotonic.millisUnsafe(this.clock)
    for (const candidate of underWay) {
      const { since, stage } = candidate
      if (stage === undefined || stage.progress === "complete") continue
      if (stage.progress === "partial" && now - since < this.patience) continue
      stage.evict()
      this.leave(candidate)
      return true
    }
    return false
  }

  private of(address: string): Tally {
    let own = this.addresses.get(address)
    if (own === undefined) {
      own = new Tally(this.maxHandshakesPerAddress, this.maxConnectionsPerAddress)
      this.addresses.set(address, own)
    }
    return own
  }

  private change(address: string, step: (own: Tally) => void): void {
    const own = this.addresses.get(address)
    if (own === undefined) return
    step(own)
    if (own.isEmpty) this.addresses.delete(address)
  }
}
