/**
 * `effect-ws connect`: a client for people and for scripts.
 *
 * At a terminal a line that is typed is a message, and one that begins with a slash a command. From a pipe every line is
 * a message; at its end the server has the time it takes to read them all, and then a moment to answer before the
 * connection is closed. Messages go to standard output, everything else to standard error, and the exit code says how it
 * ended.
 */
import * as Monotonic from "@effect-ws/transport/Monotonic"
import * as Client from "@effect-ws/client/Client"
import type { Connection } from "@effect-ws/connection/Connection"
import * as Extensions from "@effect-ws/extensions/Extensions"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import type { CloseError } from "@effect-ws/protocol/CloseError"
import type { SendError } from "@effect-ws/protocol/SendError"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import * as Command from "effect/cli/Command"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as ConnectFailure from "./ConnectFailure.ts"
import * as ConnectFlags from "./ConnectFlags.ts"
import * as ConnectLine from "./ConnectLine.ts"
import * as ConnectPipe from "./ConnectPipe.ts"
import * as ConnectScreen from "./ConnectScreen.ts"
import * as PemFile from "./PemFile.ts"

const run = Effect.fnUntraced(function* (input: ConnectFlags.Input) {
  const settings = yield* ConnectFlags.resolve(input)
  const options = yield* optionsOf(settings)
  yield* Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* Effect.mapError(Client.connect(settings.url, options), ConnectFailure.ofConnect)
      const screen = yield* ConnectScreen.make
      const conversation = new Conversation(connection, screen, settings)
      const closeInfo = yield* conversation.run
      const failure = ConnectFailure.ofCloseInfo(closeInfo, conversation.isCut)
      if (failure !== undefined) return yield* failure
      yield* screen.note(farewell(closeInfo))
    })
  ).pipe(
    Effect.provide(Client.layerDialer()),
    Effect.provide(Extensions.layer(settings.deflate ? [PermessageDeflate.make()] : [])),
    Effect.catchTag("ConfigError", (error) => Effect.fail(ConnectFailure.ofInput(error.message)))
  )
})

/** The subcommand. */
export const connect = Command.make("connect", ConnectFlags.flags, run).pipe(
  Command.withDescription(
    "Connect to a WebSocket server. A line is a message, and what the server sends is printed. At a terminal /help " +
      "lists the commands; the end of a pipe closes the connection when the server has answered."
  ),
  Command.withShortDescription("Talk to a WebSocket server"),
  Command.withExamples([
    { command: "effect-ws connect ws://127.0.0.1:8000", description: "Talk to the server that serve starts" },
    { command: "printf 'a\\nb\\n' | effect-ws connect ws://127.0.0.1:8000", description: "Send two messages" },
    { command: "effect-ws connect wss://example.com --user alice:secret", description: "Say who you are" }
  ])
)

const optionsOf = Effect.fnUntraced(function* (settings: ConnectFlags.Settings) {
  const { caFile, identityFiles } = settings
  const identity = identityFiles && {
    cert: yield* PemFile.read("--cert", identityFiles.cert),
    key: Redacted.make(yield* PemFile.read("--key", identityFiles.key))
  }
  const ca = caFile === undefined ? undefined : yield* PemFile.read("--ca", caFile)
  const proxy = yield* proxyOf(settings)
  return { ...settings.options, proxy, tls: { ca, identity, rejectUnauthorized: !settings.insecure } }
})

const proxyOf = Effect.fnUntraced(function* ({ options: { proxy }, proxyTls }: ConnectFlags.Settings) {
  if (proxy === undefined || proxy === "none" || proxyTls === undefined) return proxy
  const ca = proxyTls.caFile === undefined ? undefined : yield* PemFile.read("--proxy-ca", proxyTls.caFile)
  return { ...proxy, tls: { ca, rejectUnauthorized: !proxyTls.insecure } }
})

const longestPing = Duration.seconds(10)

/** How long the server may go on when it has read all of a pipe, where `--linger` does not say more. */
const longestLinger = Duration.seconds(10)

class Conversation {
  private readonly connection: Connection
  private readonly screen: ConnectScreen.Screen
  private readonly settings: ConnectFlags.Settings
  /** When the server was last heard of. */
  private heard = 0
  // Whether something waits to be taken by the system.
  private isSending = false
  /** Whether the end came before everything was sent. */
  isCut = false

  constructor(connection: Connection, screen: ConnectScreen.Screen, settings: ConnectFlags.Settings) {
    this.connection = connection
    this.screen = screen
    this.settings = settings
  }

  /** Talks until the connection is closed. */
  get run(): Effect.Effect<CloseInfo, ConnectFailure.ConnectFailure> {
    return this.greet.pipe(
      Effect.andThen(Effect.raceFirst(this.listen, Effect.andThen(this.talk, Effect.never))),
      Effect.andThen(this.connection.closed)
    )
  }

  private get greet(): Effect.Effect<void> {
    const { extensions, subprotocol } = this.connection
    const agreed = [
      ...(subprotocol === undefined ? [] : [`subprotocol ${subprotocol}`]),
      ...extensions.map(({ name }) => name)
    ]
    const hint = this.screen.typed === undefined ? "" : "; /help lists the commands"
    return this.screen.note(`connected${agreed.length === 0 ? "" : ` (${agreed.join(", ")})`}${hint}`)
  }

  // How it ended is told by `closed`. It also ends where nobody reads what is printed.
  private get listen(): Effect.Effect<void> {
    return Stream.runForEachWhile(this.connection.messages, (message) =>
      Effect.tap(this.screen.message(message), () => this.noteHeard)
    ).pipe(
      Effect.ignore,
      Effect.andThen(
        Effect.suspend(() => {
          this.isCut = this.isSending
          return Effect.ignore(this.connection.close())
        })
      )
    )
  }

  private get noteHeard(): Effect.Effect<void> {
    return Effect.map(Monotonic.millis, (now) => {
      this.heard = now
    })
  }

  private get talk(): Effect.Effect<void, ConnectFailure.ConnectFailure> {
    const { typed } = this.screen
    if (typed !== undefined)
      return Effect.andThen(
        Stream.runForEach(typed, (line) => this.act(line, true)),
        this.close()
      )
    const act = this.settings.commands ? (line: string) => this.act(line, false) : (line: string) => this.send(line)
    return Stream.runForEach(ConnectPipe.lines, act).pipe(
      Effect.andThen(this.confirmed),
      Effect.andThen(this.lingered),
      Effect.andThen(this.close())
    )
  }

  private readonly act = (line: string, isTyped: boolean): Effect.Effect<void, ConnectFailure.ConnectFailure> => {
    const action = ConnectLine.parse(line)
    if (Result.isFailure(action)) {
      // Whoever types can try again.
      return isTyped ? this.screen.complaint(action.failure) : Effect.fail(ConnectFailure.ofInput(action.failure))
    }
    switch (action.success._tag) {
      case "Send":
        return this.send(action.success.data)
      case "Ping":
        return this.ping(action.success.payload)
      case "Close": {
        const close = this.close(action.success.code, action.success.reason)
        return isTyped ? close : Effect.andThen(this.confirmed, close)
      }
      case "Help":
        return this.screen.note(ConnectLine.help)
    }
  }

  private send(data: string | Uint8Array): Effect.Effect<void> {
    return this.sending(this.connection.send(data))
  }

  private sending(effect: Effect.Effect<void, CloseError | SendError>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isSending = true
      return Effect.map(this.attempt(effect), () => {
        this.isSending = false
      })
    })
  }

  private ping(payload: Uint8Array | undefined): Effect.Effect<void> {
    return this.connection.ping(payload).pipe(
      Effect.flatMap((time) => this.screen.note(`pong after ${Duration.toMillis(time).toFixed(1)} ms`)),
      Effect.timeoutOrElse({
        duration: longestPing,
        orElse: () => this.screen.complaint(`no pong within ${Duration.format(longestPing)}`)
      }),
      this.attempt
    )
  }

  private close(code?: number, reason?: string): Effect.Effect<void> {
    return this.attempt(this.connection.close(code, reason))
  }

  // Whatever is done on a connection that is closed comes too late, and `listen` knows.
  private readonly attempt = <A>(effect: Effect.Effect<A, CloseError | SendError>): Effect.Effect<void> =>
    Effect.catch(Effect.asVoid(effect), (error) =>
      error._tag === "SendError" ? this.screen.complaint(error.message) : Effect.never
    )

  /**
   * Waits until the server has read everything that was sent. A ping that is sent when all the rest has left the process
   * comes behind it, and its pong is the proof; what lies in between may take its time, and nothing tells how far it is.
   */
  private get confirmed(): Effect.Effect<void, ConnectFailure.ConnectFailure> {
    const { pongTimeout } = this.settings
    const answered = Effect.timeoutOrElse(this.attempt(this.connection.ping()), {
      duration: pongTimeout,
      orElse: () => Effect.fail(ConnectFailure.ofUnread(pongTimeout))
    })
    return Effect.andThen(this.sending(this.connection.flushed), answered)
  }

  /** Waits for the answers to what was read, until silence means that there are no more. */
  private get lingered(): Effect.Effect<void> {
    const silence = Duration.toMillis(this.settings.linger)
    const settled: Effect.Effect<void> = Effect.flatMap(Monotonic.millis, (now) => {
      const left = this.heard + silence - now
      return left <= 0 ? Effect.void : Effect.andThen(Effect.sleep(left), settled)
    })
    return this.noteHeard.pipe(
      Effect.andThen(settled),
      Effect.timeoutOption(Duration.max(longestLinger, this.settings.linger)),
      Effect.asVoid
    )
  }
}

const farewell = (closeInfo: CloseInfo): string => {
  const closed = closeInfo.initiator === "remote" ? `the server closed with ${closeInfo.error.message}` : "closed"
  return closeInfo.clean ? closed : `${closed}, and the server did not answer`
}
