/**
 * The command line as one effect: the commands, where their output goes, and what the process ends with.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { connect } from "./Connect.ts"
import type { ConnectFailure } from "./ConnectFailure.ts"
import { serve } from "./Serve.ts"

const command = Command.make("effect-ws").pipe(
  Command.withDescription("WebSockets for Effect, on the command line."),
  Command.withSubcommands([serve, connect])
)

/** Runs the command that the arguments name. */
export const run = (
  version: string,
  args: ReadonlyArray<string>
): Effect.Effect<void, CliError.CliError | ConnectFailure> =>
  Command.runWith(command, { version })(args).pipe(
    Effect.provide(Layer.mergeAll(NodeServices.layer, presenter, toStderr))
  )

// Standard output is for what was asked for. A command line that was refused asked for nothing, so its help goes where
// the error goes, above it.
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.consoleWith((console) =>
          CliOutput.defaultPresenter
            .present(event)
            .pipe(Effect.provideService(Console.Console, { ...console, log: console.error }))
        )
      : CliOutput.defaultPresenter.present(event)
})

const toStderr = Layer.succeed(Logger.LogToStderr, true)
