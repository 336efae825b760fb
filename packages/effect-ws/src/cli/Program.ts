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

// A command line that was refused is told what is wrong with it, on one line. The help, which is what would scroll that
// away, is for those who ask.
const presenter = CliOutput.layerPresenter({
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const command = event.commandPath.join(" ")
    const errors = event.errors.map(({ message }) => message.replaceAll(/\s+/g, " ").trim())
    const isUnknown = (tag: CliError.CliError["_tag"]): boolean => event.errors.some(({ _tag }) => _tag === tag)
    const known = [
      ...(isUnknown("UnrecognizedOption") ? event.helpDoc.flags.map(({ name }) => `--${name}`) : []),
      ...(isUnknown("UnknownSubcommand") ? [serve.name, connect.name] : [])
    ]
    const allowed = known.length === 0 ? [] : [`known are ${known.join(", ")}`]
    return Console.error(`${command}: ${[...errors, ...allowed].join("; ")} (${command} --help tells more)`)
  }
})

const toStderr = Layer.succeed(Logger.LogToStderr, true)
