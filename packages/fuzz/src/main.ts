/** `fuzz`: any bytes from any peer, for as long as is asked for. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { randomInt } from "node:crypto"
import * as Fuzzer from "./Fuzzer.ts"
import { report } from "./Report.ts"
import * as Replay from "./Replay.ts"
import type { Target } from "./Target.ts"
import * as Conversation from "./targets/conversation.ts"
import * as Header from "./targets/headers.ts"
import * as Heads from "./targets/heads.ts"
import * as Roundtrip from "./targets/roundtrip.ts"
import * as Session from "./targets/session.ts"
import * as ZlibTarget from "./targets/zlib.ts"

/** Why the command fails; the message is all that there is to say. */
class FuzzFailed extends Data.TaggedError("FuzzFailed")<{ readonly message: string }> {}

const session = Session.make()
// The session has the most rules, so it comes twice.
const targets: ReadonlyArray<Target> = [
  session,
  Roundtrip.make(),
  Conversation.make(),
  ...Heads.targets,
  session,
  Header.target,
  ZlibTarget.make()
]

const replay = Effect.fnUntraced(function* (text: string) {
  const parsed = Replay.parse(text)
  const target = targets.find(({ name }) => name === parsed?.target)
  if (parsed === undefined || target === undefined || !target.setups.includes(parsed.input.setup)) {
    const names = [...new Set(targets.map(({ name }) => name))].join(", ")
    return yield* new FuzzFailed({
      message: `--replay is to be TARGET:SETUP:HEX with a setup of its target; targets are ${names}`
    })
  }
  const problem = yield* Effect.promise(() => Fuzzer.examine(target, parsed.input))
  if (problem !== undefined) return yield* new FuzzFailed({ message: problem })
  yield* Console.log("no problem with this input")
})

const fuzz = Command.make(
  "fuzz",
  {
    seconds: Flag.Int("seconds").pipe(Flag.withDefault(60), Flag.withDescription("how long to go on (default: 60)")),
    seed: Flag.Int("seed").pipe(
      Flag.optional,
      Flag.withDescription(
        "what inputs are made from; the same seed makes the same inputs (default: another each time)"
      )
    ),
    replay: Flag.String("replay").pipe(
      Flag.optional,
      Flag.withMetavar("TARGET:SETUP:HEX"),
      Flag.withDescription("run one input again, as it was printed")
    )
  },
  Effect.fnUntraced(function* (flags) {
    if (Option.isSome(flags.replay)) return yield* replay(flags.replay.value)
    if (flags.seconds < 1)
      return yield* new FuzzFailed({ message: `--seconds is to be at least 1, not ${flags.seconds}` })
    const seed = Option.getOrElse(flags.seed, () => randomInt(2 ** 31))
    yield* Console.log(`fuzz: ${flags.seconds} seconds with seed ${seed}`)
    const end = performance.now() + flags.seconds * 1000
    const outcome = yield* Effect.promise(() => Fuzzer.fuzz(targets, { seed, until: () => performance.now() >= end }))
    yield* Console.log(report(outcome, flags.seconds, seed))
    if (outcome.finding !== undefined)
      return yield* new FuzzFailed({ message: outcome.finding.problem.split("\n")[0]! })
  })
).pipe(Command.withDescription("Feed the session, heads, handshakes and compression with invalid and unusual input"))

fuzz.pipe(Command.run({ version: "0.0.0" }), Effect.provide(NodeServices.layer), NodeRuntime.runMain)
