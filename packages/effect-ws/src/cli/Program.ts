/**
 * The command line as one effect: its commands, its output and its exit.
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

/** Runs the command of the arguments. */
export const run = (
  version: string,
  args: ReadonlyArray<string>
): Effect.Effect<void, CliError.CliError | ConnectFailure> =>
  Command.runWith(command, { version })(attachPort(args)).pipe(
    Effect.provide(Layer.mergeAll(NodeServices.layer, presenter, toStderr))
  )

// A flag with an optional value takes one that is attached to it, `--inspect=9000`. Here it may be the next argument.
const attachPort = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const at = args.indexOf("--inspect")
  const isPort = at >= 0 && /^-?\d+$/.test(args[at + 1] ?? "")
  return isPort ? [...args.slice(0, at), `--inspect=${args[at + 1]}`, ...args.slice(at + 2)] : args
}

// An invalid command line gets one line that explains the error. Only --help prints the help, which would scroll that
// line away.
const presenter = CliOutput.layerPresenter({
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const command = event.commandPath.join(" ")
    const errors = event.errors.map(({ message }) => onOneLine(message))
    const isUnknown = (tag: CliError.CliError["_tag"]): boolean => event.errors.some(({ _tag }) => _tag === tag)
    const known = [
      ...(isUnknown("UnrecognizedOption") ? event.helpDoc.flags.map(({ name }) => `--${name}`) : []),
      ...(isUnknown("UnknownSubcommand") ? [serve.name, connect.name] : [])
    ]
    const allowed = known.length === 0 ? [] : [`known are ${known.join(", ")}`]
    return Console.error(`${command}: ${[...errors, ...allowed].join("; ")} (see ${command} --help)`)
  }
})

const onOneLine = (message: string): string =>
  message
    .replaceAll(/\s+/g, " ")
    .trim()
    .replace(/ Did you mean this\? (.*)$/, (_, names: string) => `; did you mean ${names.split(" ").join(" or ")}`)

const toStderr = Layer.succeed(Logger.LogToStderr, true)
