/**
 * Computes the members of a topic from the messages of all nodes. Pure: the same messages in the same order give the
 * same members on every node.
 */
import * as Schema from "effect/Schema"

/**
 * What a node tells the others.
 *
 * - `Beat`: it is alive.
 * - `Delta`: members that joined, or left, this node.
 * - `Full`: all of its members, in parts.
 * - `Query`: it asks all nodes for `Full`.
 */
const PresenceMessage = Schema.TaggedUnion({
  Beat: { node: Schema.String },
  Delta: { node: Schema.String, joined: Schema.Array(Schema.String), left: Schema.Array(Schema.String) },
  Full: {
    node: Schema.String,
    members: Schema.Array(Schema.String),
    isFirst: Schema.Boolean,
    isLast: Schema.Boolean
  },
  Query: { node: Schema.String }
})
export type PresenceMessage = typeof PresenceMessage.Type

/** Decodes a message from the data of an entry. */
export const decodeMessage = Schema.decodeUnknownResult(Schema.fromJsonString(PresenceMessage))

/** The members that joined and left the topic, over all nodes. */
export interface PresenceChange {
  readonly joined: Set<string>
  readonly left: Set<string>
}

interface RemoteNode {
  members: Set<string>
  /** The parts of a `Full` so far. */
  parts: Set<string> | undefined
  lastHeard: number
}

export class PresenceState {
  private readonly nodes = new Map<string, RemoteNode>()
  // On how many nodes a member is.
  private readonly present = new Map<string, number>()
  private readonly lease: number
  private lastEntry: number | undefined = undefined
  private time = 0

  constructor(lease: number) {
    this.lease = lease
  }

  get members(): ReadonlySet<string> {
    return new Set(this.present.keys())
  }

  /** Takes the next message, which was appended at `at`. Also gives the nodes that are gone since the one before. */
  receive(message: PresenceMessage, at: number): { readonly change: PresenceChange; readonly gone: Set<string> } {
    const change: PresenceChange = { joined: new Set(), left: new Set() }
    // Silence of all nodes is the engine's, and no sign that one of them is gone.
    this.time += Math.min(Math.max(0, at - (this.lastEntry ?? at)), this.lease / 2)
    this.lastEntry = at
    const node = this.nodes.get(message.node) ?? { members: new Set(), parts: undefined, lastHeard: 0 }
    const gone = new Set<string>()
    for (const [name, { lastHeard, members }] of this.nodes) {
      if (this.time - lastHeard <= this.lease) continue
      gone.add(name)
      this.nodes.delete(name)
      for (const member of members) this.remove(member, change)
    }
    if (gone.has(message.node)) {
      node.members = new Set()
      node.parts = undefined
    }
    node.lastHeard = this.time
    this.nodes.set(message.node, node)
    if (message._tag === "Delta") {
      for (const member of message.joined) this.addTo(node, member, change)
      for (const member of message.left) this.removeFrom(node, member, change)
    } else if (message._tag === "Full") {
      if (message.isFirst) node.parts = new Set()
      for (const member of message.members) node.parts?.add(member)
      if (message.isLast && node.parts !== undefined) {
        const { parts } = node
        node.parts = undefined
        for (const member of parts) this.addTo(node, member, change)
        for (const member of node.members) if (!parts.has(member)) this.removeFrom(node, member, change)
      }
    }
    return { change, gone }
  }

  private addTo(node: RemoteNode, member: string, change: PresenceChange): void {
    if (node.members.has(member)) return
    node.members.add(member)
    const count = this.present.get(member) ?? 0
    this.present.set(member, count + 1)
    if (count === 0 && !change.left.delete(member)) change.joined.add(member)
  }

  private removeFrom(node: RemoteNode, member: string, change: PresenceChange): void {
    if (node.members.delete(member)) this.remove(member, change)
  }

  private remove(member: string, change: PresenceChange): void {
    const count = this.present.get(member) ?? 0
    if (count > 1) return void this.present.set(member, count - 1)
    this.present.delete(member)
    if (!change.joined.delete(member)) change.left.add(member)
  }
}
