/**
 * The output of `connect`: messages go to standard output, everything else to standard error, in colour on a terminal.
 * On a terminal it also reads lines, with a prompt that stays below the output.
 */
import type { Message } from "@effect-ws/protocol/Message"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Readline from "node:readline"
import { formatHex } from "./ConnectLine.ts"
import { ofInput } from "./ConnectFailure.ts"
import type { ConnectFailure } from "./ConnectFailure.ts"

/** The output of `connect`. */
export interface Screen {
  /** Prints a message, and waits until it is written. Returns false when standard output is closed. */
  readonly message: (message: Message) => Effect.Effect<boolean>
  readonly note: (text: string) => Effect.Effect<void>
  readonly complaint: (text: string) => Effect.Effect<void>
  /** Typed lines, on a terminal. */
  readonly typed: Stream.Stream<string, ConnectFailure> | undefined
}

/** Makes the screen of this process. */
export const make: Effect.Effect<Screen, never, Scope.Scope> = Effect.gen(function* () {
  const { stderr, stdin, stdout } = process
  const editor = stdin.isTTY ? yield* openEditor : undefined
  const paintOut = paint(stdout)
  const paintErr = paint(stderr)

  // Hides the line that is being typed while it prints, and restores it below.
  const above = <A>(show: Effect.Effect<A>): Effect.Effect<A> => {
    if (editor === undefined || !stderr.isTTY) return show
    const clear = Effect.sync(() => {
      Readline.cursorTo(stderr, 0)
      Readline.clearScreenDown(stderr)
    })
    return Effect.tap(Effect.andThen(clear, show), () => Effect.sync(() => prompt(editor)))
  }

  // The reader of a pipe may be gone; each write reports that in its callback.
  yield* Effect.acquireRelease(
    Effect.sync(() => [stdout.on("error", ignore), stderr.on("error", ignore)]),
    () => Effect.sync(() => [stdout.off("error", ignore), stderr.off("error", ignore)])
  )

  return {
    message: (message) => above(write(stdout, `${render(message, stdout.isTTY, paintOut)}\n`)),
    note: (text) => above(Effect.asVoid(write(stderr, `${paintErr(dim, printable(text))}\n`))),
    complaint: (text) => above(Effect.asVoid(write(stderr, `${paintErr(red, printable(text))}\n`))),
    typed: editor && linesOf(editor)
  }
})

const ignore = (): void => {}

interface Editor extends Readline.Interface {
  /** Whether the input has ended: then no more prompts are shown. */
  isOver: boolean
}

const prompt = (editor: Editor): void => {
  if (!editor.isOver) editor.prompt(true)
}

const openEditor = Effect.acquireRelease(
  Effect.sync(() => {
    const editor: Editor = Object.assign(
      Readline.createInterface({ input: process.stdin, output: process.stderr, prompt: "> " }),
      { isOver: false }
    )
    editor.once("close", () => {
      editor.isOver = true
    })
    // On a terminal readline handles Ctrl-C itself.
    editor.on("SIGINT", () => process.kill(process.pid, "SIGINT"))
    return editor
  }),
  (editor) =>
    Effect.sync(() => {
      editor.close()
      if (process.stderr.isTTY) process.stderr.write("\n")
    })
)

const linesOf = (editor: Editor): Stream.Stream<string, ConnectFailure> =>
  Stream.fromAsyncIterable(editor, (cause) => ofInput(`cannot read what is typed: ${String(cause)}`)).pipe(
    Stream.tap(() => Effect.sync(() => prompt(editor)))
  )

const write = (stream: NodeJS.WriteStream, text: string): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    stream.write(text, (error) => resume(Effect.succeed(error === undefined || error === null)))
  })

type Paint = (colour: number, text: string) => string

const [red, cyan, yellow, dim] = [31, 36, 33, 2]

const paint = (stream: NodeJS.WriteStream): Paint =>
  // https://no-color.org: set and not empty, with any value
  stream.isTTY && (process.env.NO_COLOR ?? "") === "" && process.env.TERM !== "dumb"
    ? (colour, text) => `\u001B[${colour}m${text}\u001B[0m`
    : (_colour, text) => text

const render = (message: Message, isTerminal: boolean, paint: Paint): string => {
  const [colour, text] = message._tag === "Text" ? [cyan, message.data] : [yellow, formatHex(message.data)]
  return isTerminal ? paint(colour!, `< ${printable(text)}`) : text
}

// Text from an untrusted peer must not control the terminal.
const printable = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  text.replaceAll(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`
  })
