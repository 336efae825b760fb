/** The server under test: ours as a user starts it, through the command line, in a process of its own. */
import * as Certificates from "@effect-ws/test-support/Certificates"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ConformanceError } from "./ConformanceError.ts"
import * as Program from "./Program.ts"

const bin = `${import.meta.dirname}/../../effect-ws/src/bin.ts`

const announcement = /^listening on wss?:\/\/(.*)$/

/** Starts `serve`, with more flags if any, and returns the address that it says it listens on, as `HOST:PORT`. */
export const start = Effect.fnUntraced(
  function* (
    variant: "fiber" | "queue",
    ...flags: ReadonlyArray<string>
  ): Effect.fn.Return<string, ConformanceError, ChildProcessSpawner | Scope.Scope> {
    const spawner = yield* ChildProcessSpawner
    // The suite compares all that it receives with what a case expects, so a ping after a long wait would fail the
    // case.
    const args = [bin, "serve", "--port", "0", "--server", variant, "--keepalive", "0", "--log-level", "none", ...flags]
    const server = yield* spawner
      .spawn(ChildProcess.make(process.execPath, args, { forceKillAfter: "5 seconds" }))
      .pipe(
        Effect.mapError((error) => new ConformanceError({ message: `serve could not be started: ${error.message}` }))
      )
    let printed = ""
    const address = yield* server.all.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.tap((line) => Effect.sync(() => (printed += `${line}\n`))),
      Stream.map((line) => announcement.exec(line)?.[1]),
      Stream.filter((found) => found !== undefined),
      Stream.runHead,
      Effect.mapError((error) => new ConformanceError({ message: `the output of serve: ${error.message}` }))
    )
    if (Option.isNone(address)) {
      return yield* new ConformanceError({
        message: `serve ended before it printed "listening on ws://HOST:PORT"\n${Program.tail(printed)}`
      })
    }
    return address.value
  },
  Effect.timeoutOrElse({
    duration: "20 seconds",
    orElse: () =>
      Effect.fail(new ConformanceError({ message: `serve did not print "listening on ws://HOST:PORT" within 20 s` }))
  })
)

/** Starts `serve` over HTTP/2, which takes TLS, and returns its address with its certificate. */
export const startHttp2 = Effect.fnUntraced(function* (
  variant: "fiber" | "queue"
): Effect.fn.Return<
  { readonly address: string; readonly cert: string },
  ConformanceError,
  ChildProcessSpawner | FileSystem.FileSystem | Path.Path | Scope.Scope
> {
  const path = yield* Path.Path
  const fs = yield* FileSystem.FileSystem
  const { cert, key } = yield* Effect.promise(() =>
    Certificates.makeSelfSigned({ name: "localhost", ...Certificates.localhost })
  )
  const [certFile, keyFile] = yield* Effect.gen(function* () {
    const folder = yield* fs.makeTempDirectoryScoped({ prefix: "conformance-" })
    const files = [path.join(folder, "cert.pem"), path.join(folder, "key.pem")] as const
    yield* fs.writeFileString(files[0], cert)
    yield* fs.writeFileString(files[1], key)
    return files
  }).pipe(Effect.mapError((error) => new ConformanceError({ message: `the certificate: ${error.message}` })))
  const address = yield* start(variant, "--http2", "--tls-cert", certFile, "--tls-key", keyFile)
  return { address, cert }
})
