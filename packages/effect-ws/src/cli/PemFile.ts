/** Reads PEM files with certificates and keys; errors name the flag. */
import * as CliError from "effect/cli/CliError"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"

/** Reads a PEM file. */
export const read = Effect.fnUntraced(function* (
  flag: string,
  path: string
): Effect.fn.Return<string, CliError.UserError, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.catchTag(fs.readFileString(path), "PlatformError", (error) =>
    unusable(
      error,
      `${flag}: cannot read ${path}: ${error.cause instanceof Error ? error.cause.message : error.message}`
    )
  )
  if (!text.includes("-----BEGIN ")) {
    return yield* unusable(path, `${flag}: ${path} is not PEM: expected a file with a line that starts with -----BEGIN`)
  }
  return text
})

const unusable = (cause: unknown, userMessage: string): Effect.Effect<never, CliError.UserError> =>
  Effect.fail(new CliError.UserError({ cause, userMessage }))
