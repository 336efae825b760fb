/**
 * A connection whose messages are values of the program: what arrives is decoded and checked with one Schema, what is
 * sent is encoded with another.
 *
 * A module that both ends share says once what each end sends ({@link protocol}); the server's handler
 * ({@link handler}), a client's connection, one that reconnects, and one in a browser ({@link make}) take their side of
 * it.
 *
 * A message that does not decode is never handed to the program. By default it closes the connection: with 1003 where
 * the kind of message is wrong, with 1007 where it is not even JSON, with 1008 where its content does not match the
 * Schema.
 *
 * This is for messages that stand by themselves. Where each request has an answer, use Effect RPC over
 * `ConnectionSocket`.
 *
 * @since 0.1.0
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type { Message } from "@effect-ws/protocol/Message"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import type { SendOptions } from "@effect-ws/protocol/Session"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Connection } from "./Connection.ts"
import type { InvalidMessage } from "./InvalidMessage.ts"
import type { MessageConnection } from "./MessageConnection.ts"
import * as MessageCodec from "./MessageCodec.ts"

/**
 * What one end of a connection receives and sends.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessageTypes<Receive extends Schema.Constraint, Send extends Schema.Constraint> {
  /** The Schema of what arrives. */
  readonly receive: Receive
  /** The Schema of what is sent. */
  readonly send: Send
  /** How values become messages. Default: `MessageCodec.json`. */
  readonly codec?: MessageCodec.MessageCodec<NoInfer<Receive["Encoded"] | Send["Encoded"]>> | undefined
}

/**
 * Options of a typed connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface TypedOptions<
  Receive extends Schema.Constraint,
  Send extends Schema.Constraint,
  E = never,
  R = never
> extends MessageTypes<Receive, Send> {
  /**
   * What to do with a message that does not decode. Default: "close".
   *
   * - `close`: closes the connection with 1003, 1007 or 1008, and `messages` fails with that close.
   * - `skip`: reads on. The message is dropped.
   * - an effect: runs it and reads on, or fails `messages` with what it fails with, such as `invalid.close`.
   */
  readonly onInvalid?: "close" | "skip" | ((invalid: InvalidMessage) => Effect.Effect<unknown, E, R>) | undefined
}

/**
 * A connection whose messages are values. `E` is how reading ends, `SE` how sending fails, `Sent` what a send gives.
 *
 * @category models
 * @since 0.1.0
 */
export interface TypedConnection<
  out In,
  in Out,
  out E = CloseError.CloseError,
  out Sent = void,
  out SE = Effect.Error<ReturnType<Connection["send"]>>,
  out Below = Connection
> {
  /** The connection below: its address, its end, its pings. Do not read its messages beside this. */
  readonly connection: Below
  /**
   * The values that the peer sends, in order. Ends and fails as the connection's `messages` do, and fails with the
   * close for a message that does not decode.
   */
  readonly messages: Stream.Stream<In, E>
  /** Waits for the next value. Fails where there is none, as `receive` of the connection does. */
  readonly receive: Effect.Effect<In, E>
  /**
   * Sends a value, as `send` of the connection does. Fails with `SchemaError` where the Schema refuses the value;
   * nothing is sent then.
   */
  readonly send: (value: Out, options?: SendOptions) => Effect.Effect<Sent, SE | Schema.SchemaError>
}

/**
 * The {@link TypedConnection} over a kind of connection, for the Schemas that it was made with. `E` is what `onInvalid`
 * fails with.
 *
 * @category models
 * @since 0.1.0
 */
export type TypedOver<
  Below extends MessageConnection<unknown, unknown, unknown>,
  Receive extends Schema.Constraint,
  Send extends Schema.Constraint,
  E = never
> = TypedConnection<
  Receive["Type"],
  Send["Type"],
  Effect.Error<Below["receive"]> | CloseError.SendableCloseError | E,
  Effect.Success<ReturnType<Below["send"]>>,
  Effect.Error<ReturnType<Below["send"]>>,
  Below
>

/**
 * The services that the Schemas of a typed connection need.
 *
 * @category models
 * @since 0.1.0
 */
export type Services<Receive extends Schema.Constraint, Send extends Schema.Constraint> =
  | Receive["DecodingServices"]
  | Send["EncodingServices"]

/**
 * Says what the two ends of a connection send to each other, for a module that both share: the server takes `server`,
 * the client `client`.
 *
 * **Example** (A module that both ends share)
 *
 * ```ts skip-type-checking
 * export const Chat = TypedConnection.protocol({
 *   fromClient: Schema.Struct({ say: Schema.String }),
 *   fromServer: Schema.Struct({ from: Schema.String, said: Schema.String })
 * })
 *
 * // At the server: WebSocketServer.layer(TypedConnection.handler(Chat.server, (typed) => ...))
 * // At the client: const typed = yield* TypedConnection.make(yield* Client.connect(url), Chat.client)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const protocol = <FromClient extends Schema.Constraint, FromServer extends Schema.Constraint>(options: {
  /** The Schema of what the client sends. */
  readonly fromClient: FromClient
  /** The Schema of what the server sends. */
  readonly fromServer: FromServer
  /** How values become messages, at both ends. Default: `MessageCodec.json`. */
  readonly codec?: MessageCodec.MessageCodec<NoInfer<FromClient["Encoded"] | FromServer["Encoded"]>> | undefined
}): {
  readonly client: MessageTypes<FromServer, FromClient>
  readonly server: MessageTypes<FromClient, FromServer>
} => ({
  client: { receive: options.fromServer, send: options.fromClient, codec: options.codec },
  server: { receive: options.fromClient, send: options.fromServer, codec: options.codec }
})

/**
 * Gives a connection types: one of a server or a client, a client that reconnects, or one in a browser.
 *
 * **Details**
 *
 * The services of the Schemas are taken from the context here. Nothing is read before the program reads.
 *
 * **Gotchas**
 *
 * A message that does not decode closes the connection, and closing a client that reconnects stops it. With `skip` or
 * an effect it continues.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  Receive extends Schema.Constraint,
  Send extends Schema.Constraint,
  Below extends MessageConnection<unknown, unknown, unknown>,
  E = never,
  R = never
>(
  connection: Below,
  options: TypedOptions<Receive, Send, E, R>
): Effect.Effect<TypedOver<Below, Receive, Send, E>, never, Services<Receive, Send> | R> =>
  Effect.map(
    Effect.context<Services<Receive, Send> | R>(),
    (context) => new TypedMessages(connection, options, context) as unknown as TypedOver<Below, Receive, Send, E>
  )

/**
 * Makes a handler for a server of one that talks in values.
 *
 * **Example** (Echoing what matches the Schema)
 *
 * ```ts skip-type-checking
 * const Echo = WebSocketServer.layer(
 *   TypedConnection.handler(Chat.server, (typed) => Stream.runForEach(typed.messages, (message) => typed.send(message)))
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const handler =
  <Receive extends Schema.Constraint, Send extends Schema.Constraint, E, R, IE = never, IR = never>(
    options: TypedOptions<Receive, Send, IE, IR>,
    handle: (typed: TypedOver<Connection, Receive, Send, IE>) => Effect.Effect<unknown, E, R>
  ): ((connection: Connection) => Effect.Effect<unknown, E, R | Services<Receive, Send> | IR>) =>
  (connection) =>
    Effect.flatMap(make(connection, options), handle)

/**
 * Makes an `onMessage` for a server that takes handlers of one that takes values. What fails with a close closes the
 * connection, as in every handler.
 *
 * @category constructors
 * @since 0.1.0
 */
export const onMessage = <Receive extends Schema.Constraint, E, R, IE = never, IR = never>(
  options: Pick<TypedOptions<Receive, Receive, IE, IR>, "codec" | "onInvalid" | "receive">,
  handle: (connection: Connection, value: Receive["Type"]) => Effect.Effect<unknown, E, R>
): ((
  connection: Connection,
  message: Message
) => Effect.Effect<unknown, E | IE | CloseError.SendableCloseError, R | Receive["DecodingServices"] | IR>) => {
  const { decode } = compile(options.codec, options.receive)
  const decide = decision(options.onInvalid, (close) => Effect.fail(close))
  return (connection, message) =>
    Effect.matchEffect(decode(message) as Effect.Effect<Receive["Type"], InvalidMessage, Receive["DecodingServices"]>, {
      onFailure: decide,
      onSuccess: (value) => handle(connection, value)
    })
}

/**
 * The option that makes `broadcast` of a server and `publish` of topics take values: the side of a protocol that sends
 * them.
 *
 * @category models
 * @since 0.1.0
 */
export interface SentAs<Send extends Schema.Constraint> {
  /** The Schema and codec of the value, such as the `server` side of a {@link protocol}. */
  readonly as: Pick<MessageTypes<Send, Send>, "codec" | "send">
}

/**
 * Encodes a value once for many connections. `broadcast` of a server and `publish` of topics do that by themselves with
 * the option `as`; this is for a value that both send, or that `send` of connections sends.
 *
 * **Example** (Telling everyone, twice)
 *
 * ```ts skip-type-checking
 * const server = yield* WebSocketServer.WebSocketServer
 * const message = yield* TypedConnection.prepare(Chat.server, { from: "server", said: "hello, all" })
 * yield* server.broadcast(message)
 * yield* other.broadcast(message)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const prepare = <Send extends Schema.Constraint>(
  options: Pick<MessageTypes<Send, Send>, "codec" | "send">,
  value: NoInfer<Send["Type"]>
): Effect.Effect<PreparedMessage.PreparedMessage, Schema.SchemaError, Send["EncodingServices"]> =>
  Effect.map(
    Effect.suspend(() => compile(options.codec, options.send).encode(value)),
    PreparedMessage.make
  ) as Effect.Effect<PreparedMessage.PreparedMessage, Schema.SchemaError, Send["EncodingServices"]>

const compile = (codec: MessageCodec.MessageCodec | undefined, schema: Schema.Constraint): MessageCodec.CompiledCodec =>
  (codec ?? MessageCodec.json).compile(schema)

// What is done about a message that did not decode.
const decision =
  <E, R, CE>(
    onInvalid: TypedOptions<Schema.Constraint, Schema.Constraint, E, R>["onInvalid"],
    close: (error: CloseError.SendableCloseError) => Effect.Effect<never, CE>
  ) =>
  (invalid: InvalidMessage): Effect.Effect<undefined, E | CE, R> =>
    onInvalid === "skip"
      ? Effect.undefined
      : typeof onInvalid === "function"
        ? Effect.as(onInvalid(invalid), undefined)
        : close(invalid.close)

class TypedMessages {
  readonly connection: MessageConnection<unknown, unknown, unknown>
  private readonly encoder: MessageCodec.CompiledCodec
  private readonly decoder: MessageCodec.CompiledCodec
  private readonly decide: (invalid: InvalidMessage) => Effect.Effect<undefined, unknown, unknown>
  private readonly services: Context.Context<unknown>

  constructor(
    connection: MessageConnection<unknown, unknown, unknown>,
    options: TypedOptions<Schema.Constraint, Schema.Constraint, unknown, unknown>,
    services: Context.Context<unknown>
  ) {
    this.connection = connection
    this.encoder = compile(options.codec, options.send)
    this.decoder = compile(options.codec, options.receive)
    this.decide = decision(options.onInvalid, (close) =>
      Effect.andThen(Effect.ignore(connection.close(close.code, close.reason)), Effect.fail(close))
    )
    this.services = services
  }

  get messages(): Stream.Stream<unknown, unknown> {
    return Stream.transformPull(this.connection.messages, (pull) =>
      Effect.sync(() => {
        let batch: ReadonlyArray<Message> = []
        let at = 0
        // One value at a time, so that a read that ends early leaves the others to the next one.
        const next: typeof values = Effect.suspend(() => (at < batch.length ? take(batch[at++]!) : values))
        const values: Effect.Effect<readonly [unknown], Effect.Error<typeof pull>> = Effect.flatMap(
          pull,
          (messages) => {
            batch = messages
            at = 1
            return take(messages[0])
          }
        )
        const take = (message: Message): typeof values =>
          Effect.flatMap(this.decode(message), (value) => (value === undefined ? next : Effect.succeed(value)))
        return next
      })
    )
  }

  get receive(): Effect.Effect<unknown, unknown> {
    const next: Effect.Effect<unknown, unknown> = Effect.flatMap(this.connection.receive, (message) =>
      Effect.flatMap(this.decode(message), (value) => (value === undefined ? next : Effect.succeed(value[0])))
    )
    return next
  }

  send(value: unknown, options?: SendOptions): Effect.Effect<unknown, unknown> {
    return Effect.flatMap(this.provided(this.encoder.encode(value)), (data) => this.connection.send(data, options))
  }

  // The value, or `undefined` for a message that is skipped.
  private decode(message: Message): Effect.Effect<readonly [unknown] | undefined, unknown> {
    const decoding = this.decoder.decode(message)
    if (Exit.isExit(decoding) && Exit.isSuccess(decoding)) return Effect.succeed([decoding.value])
    return this.provided(
      Effect.matchEffect(decoding, { onFailure: this.decide, onSuccess: (value) => Effect.succeed([value] as const) })
    )
  }

  private provided<A, E>(effect: Effect.Effect<A, E, unknown>): Effect.Effect<A, E> {
    return Exit.isExit(effect) ? (effect as Exit.Exit<A, E>) : Effect.provideContext(effect, this.services)
  }
}
