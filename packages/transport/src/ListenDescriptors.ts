/**
 * Listening sockets that were open before the process was: systemd's socket activation, and every supervisor that speaks
 * its protocol. Whoever holds the socket decides when the service behind it starts and restarts, and those who connect
 * meanwhile wait in its queue.
 *
 * This reads the protocol (`sd_listen_fds(3)`) from the environment, and gives the descriptors for `Tcp.layerServer`,
 * `Tls.layerServer` and `Unix.layerServer`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * A listening socket that this process was given.
 *
 * @category models
 * @since 0.1.0
 */
export interface ListenDescriptor {
  /** The number of the descriptor. */
  readonly fd: number
  /** What the supervisor calls it: `FileDescriptorName=` of a systemd socket. Default: "unknown", as systemd has it. */
  readonly name: string
}

/**
 * The environment says that there are descriptors, and cannot be understood.
 *
 * @category errors
 * @since 0.1.0
 */
export class ListenDescriptorsError extends Schema.TaggedError<ListenDescriptorsError>(
  "@effect-ws/transport/ListenDescriptorsError"
)("ListenDescriptorsError", { variable: Schema.String, found: Schema.String, expected: Schema.String }) {
  override get message(): string {
    return `the environment variable ${this.variable} is ${JSON.stringify(this.found)}, expected ${this.expected}`
  }
}

// sd_listen_fds(3): SD_LISTEN_FDS_START
const FIRST = 3

/**
 * The listening sockets that a supervisor handed to this process, in its order. None where it handed none over, or where
 * they were meant for another process: `LISTEN_PID` names whom they are for, so that children do not take them too.
 *
 * **Gotchas**
 *
 * A wrapper such as `npx` that does not replace itself is the process that systemd means: start `node` itself.
 *
 * **Example** (A server behind a systemd socket, or on its own port without one)
 *
 * ```ts skip-type-checking
 * const Transport = Layer.unwrap(
 *   Effect.map(ListenDescriptors.inherited, ([socket]) =>
 *     Tcp.layerServer(socket === undefined ? { port: 8000 } : { fd: socket.fd })
 *   )
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const inherited: Effect.Effect<ReadonlyArray<ListenDescriptor>, ListenDescriptorsError> = Effect.suspend(() =>
  parse(process.env, process.pid)
)

/**
 * Reads descriptors from an environment, for the process of the number `pid`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (
  env: Readonly<Record<string, string | undefined>>,
  pid: number
): Effect.Effect<ReadonlyArray<ListenDescriptor>, ListenDescriptorsError> => {
  const { LISTEN_FDNAMES: names, LISTEN_FDS: count, LISTEN_PID: owner } = env
  if (count === undefined || owner === undefined) return Effect.succeed([])
  if (!isNumber(owner)) return wrong("LISTEN_PID", owner, "the number of a process")
  if (Number(owner) !== pid) return Effect.succeed([])
  if (!isNumber(count)) return wrong("LISTEN_FDS", count, "a number of descriptors")
  const length = Number(count)
  const given = names === undefined ? [] : names.split(":")
  if (names !== undefined && given.length !== length) {
    return wrong("LISTEN_FDNAMES", names, `${length} names with colons between them`)
  }
  return Effect.succeed(Array.from({ length }, (_, at) => ({ fd: FIRST + at, name: given[at] ?? "unknown" })))
}

// No process has more descriptors than this; a larger number would be an attempt at our memory.
const isNumber = (text: string): boolean => /^(?:0|[1-9]\d{0,6})$/.test(text)

const wrong = (variable: string, found: string, expected: string): Effect.Effect<never, ListenDescriptorsError> =>
  Effect.fail(new ListenDescriptorsError({ variable, found, expected }))
