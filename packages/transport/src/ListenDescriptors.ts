/**
 * Listening sockets that a supervisor opened before this process started: systemd's socket activation and compatible
 * supervisors. The supervisor starts and restarts the service, and connections that arrive meanwhile wait in the
 * socket's queue.
 *
 * Reads the protocol (`sd_listen_fds(3)`) from the environment. The descriptors are for `Tcp.layerServer`,
 * `Tls.layerServer` and `Unix.layerServer`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * A listening socket passed to this process.
 *
 * @category models
 * @since 0.1.0
 */
export interface ListenDescriptor {
  /** Number of the descriptor. */
  readonly fd: number
  /** Name given by the supervisor: `FileDescriptorName=` of a systemd socket. Default: "unknown", as in systemd. */
  readonly name: string
}

/**
 * Reports environment variables that announce descriptors and are invalid.
 *
 * @category errors
 * @since 0.1.0
 */
export class ListenDescriptorsError extends Schema.TaggedError<ListenDescriptorsError>(
  "@effect-ws/transport/ListenDescriptorsError"
)("ListenDescriptorsError", { variable: Schema.String, found: Schema.String, expected: Schema.String }) {
  override get message(): string {
    return `environment variable ${this.variable} is ${JSON.stringify(this.found)}, expected ${this.expected}`
  }
}

// sd_listen_fds(3): SD_LISTEN_FDS_START
const FIRST = 3

/**
 * Returns the listening sockets that a supervisor passed to this process, in order. Returns none when there are none,
 * or when `LISTEN_PID` names another process, so that child processes do not use them too.
 *
 * **Gotchas**
 *
 * With a wrapper such as `npx`, `LISTEN_PID` names the wrapper: start `node` itself.
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
 * Reads the descriptors from an environment, for the process `pid`.
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
  if (!isNumber(owner)) return wrong("LISTEN_PID", owner, "a process id")
  if (Number(owner) !== pid) return Effect.succeed([])
  if (!isNumber(count)) return wrong("LISTEN_FDS", count, "a number of descriptors")
  const length = Number(count)
  const given = names === undefined ? [] : names.split(":")
  if (names !== undefined && given.length !== length) {
    return wrong("LISTEN_FDNAMES", names, `${length} names separated by colons`)
  }
  return Effect.succeed(Array.from({ length }, (_, at) => ({ fd: FIRST + at, name: given[at] ?? "unknown" })))
}

// No process has more descriptors than this; a larger number could exhaust memory.
const isNumber = (text: string): boolean => /^(?:0|[1-9]\d{0,6})$/.test(text)

const wrong = (variable: string, found: string, expected: string): Effect.Effect<never, ListenDescriptorsError> =>
  Effect.fail(new ListenDescriptorsError({ variable, found, expected }))
