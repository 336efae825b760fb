/**
 * Messages for all connections of a server: a topic that nobody subscribes to, so that a connection has a place in it
 * only while it is behind.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Fanout from "@effect-ws/connection/Fanout"
import type { Recipient, Tally } from "@effect-ws/connection/Fanout"
import type { PreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import type * as Effect from "effect/Effect"
import type { BehindOptions, Delivery, PublishOptions } from "../Topics.ts"
import { Channel } from "./Channel.ts"
import { Member, Place, placeOptions } from "./Place.ts"
import { Publication } from "./Publication.ts"
import { Turns } from "./Turns.ts"

export class Broadcaster {
  private readonly channel: Channel<Recipient>
  private readonly behind = new Map<Recipient, Place>()
  private readonly tally: Tally | undefined
  private sent = 0

  /** `connections` gives those that are open now. */
  constructor(connections: () => ReadonlyArray<Connection>, slice: number, tally: Tally | undefined) {
    this.tally = tally
    this.channel = new Channel<Recipient>(
      {
        recipient: (recipient) => recipient,
        member: (recipient) => (this.behind.size === 0 ? undefined : this.behind.get(recipient)?.member),
        includes: (recipient, publication) => recipient !== publication.except,
        place: (recipient, publication) => this.place(recipient, publication)
      },
      () => connections().map(Fanout.recipient).values(),
      new Turns(slice)
    )
  }

  private place(recipient: Recipient, { behind }: Publication): Place {
    let place = this.behind.get(recipient)
    if (place === undefined) {
      const member = new Member(recipient, () => this.behind.delete(recipient))
      place = new Place(member, behind, 0)
      this.behind.set(recipient, place)
    }
    place.options = behind
    return place
  }

  broadcast(message: PreparedMessage, options: PublishOptions & BehindOptions = {}): Effect.Effect<Delivery> {
    return new Publication(message, options, placeOptions(options), ++this.sent, this.tally).run(this.channel)
  }
}
