/**
 * The state machine of one end of a WebSocket connection after the opening handshake, as data.
 *
 * All transitions are in one table, and the functions below it say what each state allows; no other module decides
 * that. Both roles use the same table. What a server and a client do differently is in `roles`, at the end of this
 * file. A test generates the diagram in `docs/session-state.md` from the table.
 *
 * Receiving a close frame and answering it are two steps. The application may still be handling messages that came
 * before the close, and its replies are sent before the answer. The state `Answering` lies between the two.
 *
 * @since 0.1.0
 */

/**
 * A state of a session:
 *
 * - `Open`: both ends may send data.
 * - `Closing`: this end has sent a close frame and waits for the peer's.
 * - `Answering`: the peer's close frame has arrived and ours is not sent yet.
 * - `Failing`: the peer broke a rule, and the close frame that says so is not sent yet.
 * - `Closed`: nothing more is sent, and what arrives is ignored.
 *
 * @category models
 * @since 0.1.0
 */
export type State = "Open" | "Closing" | "Answering" | "Failing" | "Closed"

/**
 * A trigger of a transition. `EndOfStream` is the end of the peer's byte stream. `Abort` is a local end: a timeout or a
 * transport error.
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
  // RFC 6455 5.5.1: both ends may begin at once. Each then takes the other's close frame as the answer.
  Closing: { ReceiveClose: "Closed", Violation: "Closed", EndOfStream: "Closed", Abort: "Closed" },
  // A peer that half-closes its stream after its close frame still gets the answer, so EndOfStream changes nothing.
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
 * Returns whether data may be sent: until our close frame is sent.
 *
 * @category questions
 * @since 0.1.0
 */
export const canSend = (state: State): boolean => state === "Open" || state === "Answering" || state === "Failing"

/**
 * Returns whether received bytes are processed: until the peer's close frame, or a violation.
 *
 * @category questions
 * @since 0.1.0
 */
export const canReceive = (state: State): boolean => state === "Open" || state === "Closing"

/**
 * Returns whether a close frame is due once the application is done with what came before.
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
 * The differences between the roles after the opening handshake.
 *
 * @category constants
 * @since 0.1.0
 */
export const roles: {
  readonly [R in Role]: { readonly masks: boolean; readonly closesStreamFirst: boolean }
} = {
  // RFC 6455 5.1: "a client MUST mask all frames that it sends to the server"; "A server MUST NOT mask any frames"
  // RFC 6455 7.1.1: the server closes TCP first, so that the server and not the client holds the TIME_WAIT state
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
