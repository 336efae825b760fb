/**
 * Admission control of a server. It counts handshakes from the moment a connection is accepted (with TLS: before the
 * TLS handshake) to the response, and enforces their limits, for the whole server and for each remote address.
 *
 * At a limit, the new connection evicts the oldest silent handshake. So a client that opens sockets and sends nothing
 * only evicts handshakes of its own kind, and an honest client gets in. If no handshake is silent, the new connection
 * is refused.
 */
import type { HandshakeUnderWay } from "@effect-ws/connection/Accept"
import type { Peer } from "@effect-ws/connection/Peer"
import * as Argument from "@effect-ws/protocol/Argument"
import { addressKey } from "@effect-ws/transport/AddressKey"
import { LinkedList } from "@effect-ws/transport/internal"
import type { Links } from "@effect-ws/transport/internal"
import * as Monotonic from "@effect-ws/transport/Monotonic"
import type { PeerInfo } from "@effect-ws/transport/Push"
import * as TrustedProxies from "@effect-ws/transport/TrustedProxies"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"

/** The limits of a server, as its options have them. */
export interface Capacity {
  readonly maxConnections?: number | undefined
  readonly maxHandshakes?: number | undefined
  readonly maxConnectionsPerAddress?: number | undefined
  readonly maxHandshakesPerAddress?: number | undefined
  readonly handshakeTimeout?: Duration.Input | undefined
  readonly trustedProxies?: ReadonlyArray<string> | undefined
}

type Bound = Extract<keyof Capacity, `max${string}`>

/** The response to a refused connection. */
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
export class Candidate implements Links<Candidate> {
  previous: Candidate | undefined = undefined
  next: Candidate | undefined = undefined
  /** The key under which the client is counted; `undefined` if it is not counted by address. */
  address: string | undefined
  /** The monotonic time at which the connection was accepted, in milliseconds. */
  readonly since: number
  readonly refusal: Refusal | undefined
  stage: HandshakeUnderWay | undefined = undefined

  constructor(address: string | undefined, since: number, refusal: Refusal | undefined) {
    this.address = address
    this.since = since
    this.refusal = refusal
  }
}

/** Counts of the whole server, or of one remote address. */
class Counts {
  // In the order in which the connections were accepted.
  readonly underWay: LinkedList<Candidate> | Set<Candidate>
  open = 0
  // The number of those that only wait for their refusal to be sent.
  private refused = 0
  private readonly maxHandshakes: number
  private readonly maxConnections: number

  constructor(underWay: LinkedList<Candidate> | Set<Candidate>, maxHandshakes: number, maxConnections: number) {
    this.underWay = underWay
    this.maxHandshakes = maxHandshakes
    this.maxConnections = maxConnections
  }

  /** Whether more refusals are pending than there may be handshakes. */
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
  private readonly all: Counts
  private readonly addresses = new Map<string, Counts>()
  private readonly maxConnectionsPerAddress: number
  private readonly maxHandshakesPerAddress: number
  // A client that has sent only a part of its request counts as silent after this many milliseconds.
  private readonly patience: number
  private readonly clock: Clock.Clock
  private readonly trusted: TrustedProxies.TrustedProxies

  constructor(capacity: Capacity, clock: Clock.Clock) {
    const limitOf = (name: Bound, otherwise: number): number => Argument.limit(name, capacity[name] ?? otherwise)
    this.all = new Counts(new LinkedList(), limitOf("maxHandshakes", 1024), limitOf("maxConnections", Infinity))
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
   * Whether to drop a connection that does not speak HTTP yet: it is refused, and too many refused connections already
   * wait for the end of their TLS handshake to get their response.
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

  /**
   * Returns the key under which a peer is counted. A trusted proxy stands for many clients, so its own address has
   * none.
   */
  keyOf(peer: Pick<PeerInfo, "localAddress" | "remoteAddress"> | undefined): string | undefined {
    if (!this.countsAddresses || peer === undefined || TrustedProxies.hasPeer(this.trusted, peer)) return undefined
    return addressKey(peer.remoteAddress)
  }

  /** Counts an accepted connection. Its `refusal` is set if there is no room for it. */
  enter(address: string | undefined): Candidate {
    const candidate = new Candidate(address, Monotonic.millisUnsafe(this.clock), this.makeRoom(address))
    this.all.enter(candidate)
    if (address !== undefined) this.of(address).enter(candidate)
    return candidate
  }

  /** Counts a handshake by the address that the PROXY protocol gave. Returns a refusal if there is no room for it. */
  identify(
    candidate: Candidate,
    peer: Pick<PeerInfo, "localAddress" | "remoteAddress"> | undefined
  ): Refusal | undefined {
    return this.countFor(candidate, this.keyOf(peer))
  }

  /** Counts a handshake by the client that a trusted proxy forwards. Returns a refusal if there is no room for it. */
  forwarded(candidate: Candidate, { proxy, remoteAddress }: Peer): Refusal | undefined {
    // A proxy that does not name the client stands for many clients.
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

  /** Removes a handshake that has ended. */
  leave(candidate: Candidate): void {
    const { address } = candidate
    candidate.stage = undefined
    this.all.leave(candidate)
    if (address !== undefined) this.change(address, (own) => own.leave(candidate))
  }

  /** Counts a connection whose handshake succeeded. */
  opened(address: string | undefined): void {
    this.all.open++
    if (address !== undefined) this.of(address).open++
  }

  /** Removes a closed connection. */
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

  /** Evicts the oldest silent handshake. Returns whether there was one. */
  private evictFrom({ underWay }: Counts): boolean {
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

  private of(address: string): Counts {
    let own = this.addresses.get(address)
    if (own === undefined) {
      // A candidate is in one list only: that of all.
      own = new Counts(new Set(), this.maxHandshakesPerAddress, this.maxConnectionsPerAddress)
      this.addresses.set(address, own)
    }
    return own
  }

  private change(address: string, step: (own: Counts) => void): void {
    const own = this.addresses.get(address)
    if (own === undefined) return
    step(own)
    if (own.isEmpty) this.addresses.delete(address)
  }
}
