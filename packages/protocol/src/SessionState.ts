/**
 * The states of one end of a WebSocket connection once the opening handshake is done, as a table.
 *
 * Rule 1: which transitions exist, and what each state permits, is written here and nowhere else. Rule 2: the table does
 * not know the role; the few things in which a server and a client differ are data at the end of this file. The diagram
 * in the documentation is generated from the table.
 *
 * A close frame from the peer is not answered in the same breath: messages that came before it may still be on their way
 * through the application, and their replies go first. So there is a state between receiving a close and answering it.
 *
 * @since 0.1.0
 */

/**
 * A state of a session:
 *
 * - `Open`: data flows both ways.
 * - `Closing`: we sent a close frame and wait for the peer's.
 * - `Answering`: the peer's close frame is here and ours is not sent yet.
 * - `Failing`: the peer broke a rule and our close frame, which says so, is not sent yet.
 * - `Closed`: nothing more is sent, and what arrives is ignored.
 *
 * @category models
 * @since 0.1.0
 */
export type State = "Open" | "Closing" | "Answering" | "Failing" | "Closed"

/**
 * What moves a session from state to state. `EndOfStream` is the peer's end of the byte stream; `Abort` is ours: a
 * timeout or an error of the transport.
 *
 * @category models
 * @since 0.1.0
 */
export type Trigger = "SendClose" | "ReceiveClose" | "Violation" | "EndOfStream" | "Abort"

/**
 * The transitions. A trigger that a state does not list leaves the state as it is.
 *
 * @category constants
 * @since 0.1.0
 */
export const transitions: { readonly [S in State]: { readonly [T in Trigger]?: State } } = {
  Open: {
    SendClose: "Closing",
    ReceiveClose: "Answering",
    Violation: "Failing",
    EndOfStream: "Closed",
    Abort: "Closed"
  },
  // RFC 6455 5.5.1: both ends may begin at once; each takes the other's close frame for the answer.
  Closing: { ReceiveClose: "Closed", Violation: "Closed", EndOfStream: "Closed", Abort: "Closed" },
  // A peer that half-closes its stream after its close frame still gets the answer.
  Answering: { SendClose: "Closed", Abort: "Closed" },
  Failing: { SendClose: "Closed", Abort: "Closed" },
  Closed: {}
}

/**
 * Returns the state that a trigger leads to.
 *
 * @category transitions
 * @since 0.1.0
 */
export const next = (state: State, trigger: Trigger): State => transitions[state][trigger] ?? state

/**
 * Returns whether data may be sent: until our close frame is.
 *
 * @category questions
 * @since 0.1.0
 */
export const canSend = (state: State): boolean => state === "Open" || state === "Answering" || state === "Failing"

/**
 * Returns whether bytes from the peer still mean anything: until its close frame, or a violation.
 *
 * @category questions
 * @since 0.1.0
 */
export const canReceive = (state: State): boolean => state === "Open" || state === "Closing"

/**
 * Returns whether our close frame is due as soon as the application is done with what came before.
 *
 * @category questions
 * @since 0.1.0
 */
export const owesClose = (state: State): boolean => state === "Answering" || state === "Failing"

/**
 * The role of one end.
 *
 * @category models
 * @since 0.1.0
 */
export type Role = "client" | "server"

/**
 * All in which the roles differ after the opening handshake.
 *
 * @category constants
 * @since 0.1.0
 */
export const roles: {
  readonly [R in Role]: { readonly masks: boolean; readonly closesStreamFirst: boolean }
} = {
  // RFC 6455 5.1: "a client MUST mask all frames that it sends to the server"; "A server MUST NOT mask any frames"
  // RFC 6455 7.1.1: the server closes TCP first, so that it and not the client holds the TIME_WAIT state
  client: { masks: true, closesStreamFirst: false },
  server: { masks: false, closesStreamFirst: true }
}

/**
 * Draws the transitions as a Mermaid state diagram.
 *
 * @category formatting
 * @since 0.1.0
 */
export const diagram = (): string => {
  const lines = ["stateDiagram-v2", "  [*] --> Open"]
  for (const [state, row] of Object.entries(transitions)) {
    for (const [trigger, target] of Object.entries(row)) lines.push(`  ${state} --> ${target}: ${trigger}`)
  }
  return [...lines, "  Closed --> [*]"].join("\n")
}
