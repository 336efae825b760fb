/**
 * `conformance`: the Autobahn cases against our server, against any server that `--url` names, or against our client.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Option from "effect/Option"
import * as Cases from "./Cases.ts"
import { CasesFailed, ConformanceError } from "./ConformanceError.ts"
import * as Http2Bridge from "./Http2Bridge.ts"
import * as Kosoku from "./Kosoku.ts"
import * as KosokuServer from "./KosokuServer.ts"
import * as Report from "./Report.ts"
import * as Subject from "./Subject.ts"

/** Takes `HOST:PORT` from a URL; the suite speaks plain ws to the root of a server and nothing else. */
const addressOf = Effect.fnUntraced(function* (text: string) {
  const url = URL.parse(text)
  if (url === null || url.protocol !== "ws:" || url.pathname !== "/" || url.search !== "") {
    return yield* new ConformanceError({ message: `--url is to be ws://HOST:PORT, not ${text}` })
  }
  return `${url.hostname}:${url.port === "" ? 80 : url.port}`
})

const againstServer = Effect.fnUntraced(function* (
  options: KosokuServer.FuzzOptions,
  server: "fiber" | "queue",
  url: Option.Option<string>
) {
  if (options.http2 === true) {
    if (Option.isSome(url)) {
      return yield* new ConformanceError({ message: "--url is asked in HTTP/1.1, which does not go with --http2" })
    }
    const { address, cert } = yield* Subject.startHttp2(server)
    yield* Console.log(`${options.cases.length} cases against the ${server} server over HTTP/2`)
    return yield* Kosoku.fuzzServer({ ...options, address: yield* Http2Bridge.toServer(address, cert) })
  }
  const address = Option.isSome(url) ? yield* addressOf(url.value) : yield* Subject.start(server)
  yield* Console.log(`${options.cases.length} cases against ${Option.isSome(url) ? address : `the ${server} server`}`)
  return yield* Kosoku.fuzzServer({ ...options, address })
})

const againstClient = Effect.fnUntraced(function* (options: KosokuServer.FuzzOptions, url: Option.Option<string>) {
  if (Option.isSome(url)) {
    return yield* new ConformanceError({ message: "--url is a server to test, which does not go with --role client" })
  }
  yield* Console.log(`${options.cases.length} cases against the client${options.http2 === true ? " over HTTP/2" : ""}`)
  return yield* KosokuServer.fuzzClient(options)
})

const conformance = Command.make(
  "conformance",
  {
    role: Flag.Literals("role", ["server", "client"]).pipe(
      Flag.withDefault("server"),
      Flag.withDescription("which of our ends is tested")
    ),
    server: Flag.Literals("server", ["fiber", "queue"]).pipe(
      Flag.withDefault("fiber"),
      Flag.withDescription("which of our servers is tested")
    ),
    cases: Flag.String("cases").pipe(
      Flag.atLeast(0),
      Flag.withMetavar("GLOB"),
      Flag.withDescription("cases to run, such as 1.* or 6.4.1; may be repeated (default: all)")
    ),
    url: Flag.String("url").pipe(
      Flag.optional,
      Flag.withDescription("test the echo server at ws://HOST:PORT and start none")
    ),
    http2: Flag.Boolean("http2").pipe(
      Flag.withDefault(false),
      Flag.withDescription("carry the connections of the suite over HTTP/2, by a bridge")
    )
  },
  Effect.fnUntraced(function* ({ cases, http2, role, server, url }) {
    const globs = cases.length > 0 ? cases : Cases.defaultGlobs
    const expected = Cases.matching(globs)
    if (expected.length === 0) {
      return yield* new ConformanceError({
        message: `no case is named by ${globs.join(" ")}; cases are 1.1.1 to 13.7.18`
      })
    }
    yield* Kosoku.install
    const end = role === "client" ? "client" : Option.isSome(url) ? "server-url" : `server-${server}`
    const subject = http2 ? `${end}-http2` : end
    const options = {
      cases: expected,
      http2,
      reports: `${import.meta.dirname}/../reports/${subject}`,
      timeout: "30 minutes"
    } as const
    const results = role === "client" ? yield* againstClient(options, url) : yield* againstServer(options, server, url)
    const verdicts = Report.judge(expected, results)
    yield* Console.log(`reports: packages/conformance/reports/${subject}\n`)
    yield* Console.log(Report.render(verdicts))
    const failed = verdicts.filter((verdict) => !verdict.passed).length
    if (failed > 0) return yield* new CasesFailed({ failed })
  }, Effect.scoped)
).pipe(Command.withDescription("Run the Autobahn cases and say which pass"))

conformance.pipe(Command.run({ version: "0.1.0" }), Effect.provide(NodeServices.layer), NodeRuntime.runMain)
