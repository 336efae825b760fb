/**
 * The program that serves one viewer of the inspector: it sends what has changed at every update, and carries out the
 * commands that are allowed. `InspectorServer` and `InspectorRoute` run it; so can a server of your own.
 *
 * @since 0.1.0
 */
import type { Connection } from "@effect-ws/connection/Connection"
import type { Handler } from "@effect-ws/connection/ConnectionHandler"
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as Argument from "@effect-ws/protocol/Argument"
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { SendError } from "@effect-ws/protocol/SendError"
import { checkClose } from "@effect-ws/protocol/Session"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Inspector } from "./Inspector.ts"
import { InspectorProtocol } from "./InspectorProtocol.ts"
import type { FromInspector, FromViewer } from "./InspectorProtocol.ts"
import { recordOf } from "./internal/recordOf.ts"
import { Viewer } from "./internal/Viewer.ts"
import * as Recording from "./Recording.ts"

/**
 * What viewers may do, and how often they hear.
 *
 * @category models
 * @since 0.1.0
 */
export interface ViewOptions {
  /** Whether a viewer may close connections. Default: false. */
  readonly allowClose?: boolean | undefined
  /** Whether a viewer may drain the servers. Default: false. */
  readonly allowDrain?: boolean | undefined
  /** Time between updates. Default: 500 ms. */
  readonly updateInterval?: Duration.Input | undefined
  /**
   * Time between the pings that the connection which a viewer has selected is sent, so that its latency is current. Its
   * handlers see the pongs. Default: no pings, so latency is that of keepalive and of the program's own pings.
   */
  readonly pingInterval?: Duration.Input | undefined
  /** Maximum viewers at a time; further ones are closed with 1013. Default: 16. */
  readonly maxViewers?: number | undefined
}

/**
 * Makes the handler that serves a viewer of an inspector.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  inspector: Inspector["Service"],
  options: ViewOptions = {}
): Handler<CloseError.CloseError | SendError, never> => {
  const { allowClose = false, allowDrain = false } = options
  const updateInterval = Argument.duration("updateInterval", options.updateInterval ?? "500 millis")
  const pingInterval =
    options.pingInterval === undefined ? undefined : Argument.duration("pingInterval", options.pingInterval)
  const maxViewers = Argument.limit("maxViewers", options.maxViewers ?? 16, 1)
  const record = recordOf(inspector)
  let viewers = 0
  const hello: FromInspector = {
    _tag: "Hello",
    version: 1,
    updateMillis: Duration.toMillis(updateInterval),
    payloads: record.settings.payloads,
    allowClose,
    allowDrain
  }

  return TypedConnection.handler(InspectorProtocol.server, (typed) =>
    Effect.suspend(() => {
      const viewer = new Viewer(record)
      // What is sent fits the Schema by construction.
      const send = (message: FromInspector) => Effect.catchTag(typed.send(message), "SchemaError", Effect.die)
      // The inspected server runs between two messages, and each is made when it is sent.
      const sendAll = Effect.fnUntraced(function* (messages: Iterable<FromInspector>) {
        for (const message of messages) {
          yield* send(message)
          yield* Effect.yieldNow
        }
      })
      const deny = (command: FromViewer["_tag"], reason: string) => send({ _tag: "Denied", command, reason })

      const close = ({ code, id, reason }: Extract<FromViewer, { readonly _tag: "Close" }>) => {
        if (!allowClose) return deny("Close", "the inspector may not close connections (option allowClose)")
        const connection = record.open.get(id)?.connection
        if (connection === undefined) return deny("Close", "the connection is closed already")
        const misuse = checkClose(code, reason)
        return misuse === undefined
          ? Effect.andThen(
              Effect.logInfo(`A viewer of the inspector closes connection ${id} with ${code}`),
              Effect.forkDetach(Effect.ignore(connection.close(code, reason)))
            )
          : deny("Close", misuse.message)
      }

      const drain = Effect.suspend(() =>
        allowDrain
          ? Effect.andThen(
              Effect.logInfo("A viewer of the inspector drains the server"),
              Effect.forEach(record.servers, (server) => Effect.forkDetach(server.drain), { discard: true })
            )
          : deny("Drain", "the inspector may not drain servers (option allowDrain)")
      )

      const save = (id: number) => {
        const recording = record.recording(id)
        return recording === undefined
          ? deny("Save", "no frames are kept of this connection")
          : send({ _tag: "Saved", id, lines: Recording.stringify(recording) })
      }

      const obey = (command: FromViewer): Effect.Effect<unknown, CloseError.CloseError | SendError> => {
        switch (command._tag) {
          case "Select":
            return sendAll(viewer.select(command.id))
          case "Close":
            return close(command)
          case "Drain":
            return drain
          case "Save":
            return save(command.id)
        }
      }

      const updates = Effect.forever(
        Effect.andThen(
          Effect.suspend(() => sendAll(viewer.update())),
          Effect.sleep(updateInterval)
        )
      )
      const pings =
        pingInterval === undefined
          ? Effect.never
          : Effect.forever(
              Effect.andThen(
                Effect.sleep(pingInterval),
                Effect.suspend(() => pingOf(viewer.selectedOpen?.connection, pingInterval))
              )
            )

      if (viewers >= maxViewers) {
        return Effect.fail(new CloseError.TryAgainLater({ reason: "too many viewers (option maxViewers)" }))
      }
      viewers++
      return send(hello).pipe(
        Effect.andThen(Effect.raceFirst(Stream.runForEach(typed.messages, obey), Effect.raceFirst(updates, pings))),
        Effect.ensuring(
          Effect.sync(() => {
            viewers--
            viewer.release()
          })
        )
      )
    })
  )
}

const pingOf = (connection: Connection | undefined, patience: Duration.Duration): Effect.Effect<unknown> =>
  connection === undefined ? Effect.void : Effect.ignore(Effect.timeoutOption(connection.ping(), patience))

/**
 * Options for the server that viewers connect to: small messages, and no pages of other origins.
 *
 * @category constants
 * @since 0.1.0
 */
export const serverOptions = {
  maxMessageSize: 4096,
  maxConnections: 256,
  origins: "same-origin",
  drainTimeout: "1 second"
} as const
