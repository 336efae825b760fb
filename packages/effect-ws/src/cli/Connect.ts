/**
 * `effect-ws connect`: a client for people and for scripts.
 *
 * On a terminal, each typed line is a message, and a line that begins with a slash is a command. From a pipe, every
 * line is a message. At the end of the pipe, the client waits until the server has read all messages, and then a moment
 * for its answers, before it closes the connection. Messages go to standard output, everything else to standard error,
 * and the exit code reports how the connection ended.
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
    "Connect to a WebSocket server. Each line is a message, and messages of the server are printed. On a terminal /help " +
      "lists the commands; at the end of a pipe, the connection closes after the server's answers."
  ),
  Command.withShortDescription("Talk to a WebSocket server"),
  Command.withExamples([
    { command: "effect-ws connect ws://127.0.0.1:8000", description: "Talk to the server that serve starts" },
    { command: "printf 'a\\nb\\n' | effect-ws connect ws://127.0.0.1:8000", description: "Send two messages" },
    {
      command: "effect-ws connect wss://example.com --user alice:secret",
      description: "Send a username and a password"
    }
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

/** Maximum wait after the server has read all of a pipe, unless `--linger` is longer. */
const longestLinger = Duration.seconds(10)

class Conversation {
  private readonly connection: Connection
  private readonly screen: ConnectScreen.Screen
  private readonly settings: ConnectFlags.Settings
  /** Time of the last message from the server. */
  private heard = 0
  // Whether data waits to be taken by the system.
  private isSending = false
  /** Whether the connection ended before everything was sent. */
  isCut = false

  constructor(connection: Connection, screen: ConnectScreen.Screen, settings: ConnectFlags.Settings) {
    this.connection = connection
    this.screen = screen
    this.settings = settings
  }

  /** Sends and receives until the connection is closed. */
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

  // `closed` reports how it ended. It also ends when standard output is closed.
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
      // On a terminal, the user can try again.
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

  // Ignores errors of a closed connection, which `listen` reports.
  private readonly attempt = <A>(effect: Effect.Effect<A, CloseError | SendError>): Effect.Effect<void> =>
    Effect.catch(Effect.asVoid(effect), (error) =>
      error._tag === "SendError" ? this.screen.complaint(error.message) : Effect.never
    )

  /**
   * Waits until the server has read everything that was sent. The ping follows when all data has left the process, so
   * its pong proves that the server has read that data. The wait may be long, and its progress is not visible.
   */
  private get confirmed(): Effect.Effect<void, ConnectFailure.ConnectFailure> {
    const { pongTimeout } = this.settings
    const answered = Effect.timeoutOrElse(this.attempt(this.connection.ping()), {
      duration: pongTimeout,
      orElse: () => Effect.fail(ConnectFailure.ofUnread(pongTimeout))
    })
    return Effect.andThen(this.sending(this.connection.flushed), answered)
  }

  /** Waits for the answers to what the server read, until it is silent for a while. */
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
