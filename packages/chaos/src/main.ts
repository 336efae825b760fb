/** `chaos`: peers that misbehave against both servers, over TCP and TLS, and a count of what is left of them. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { attack } from "./Attack.ts"
import { render } from "./Report.ts"
import { withServer } from "./Server.ts"
import { judge } from "./Verdict.ts"

class ChaosFailed extends Data.TaggedError("ChaosFailed")<{ readonly message: string }> {}

const targets = (["fiber", "queue"] as const).flatMap((server) =>
  (["tcp", "tls"] as const).map((transport) => ({ server, transport }))
)

const chaos = Command.make(
  "chaos",
  {
    seconds: Flag.Int("seconds").pipe(
      Flag.withDefault(60),
      Flag.withDescription("how long to attack in all, shared by the four servers (default: 60)")
    ),
    seed: Flag.Int("seed").pipe(
      Flag.withDefault(1),
      Flag.withDescription("what the peers choose from; the same seed makes the same choices (default: 1)")
    ),
    peers: Flag.Int("peers").pipe(
      Flag.withDefault(60),
      Flag.withDescription("how many peers attack at once (default: 60)")
    )
  },
  Effect.fnUntraced(function* ({ peers, seconds, seed }) {
    yield* Console.log(`${peers} peers at once, seed ${seed}, ${seconds} seconds in all`)
    let failed = 0
    for (const { server, transport } of targets) {
      const outcome = yield* Effect.tryPromise({
        try: () =>
          withServer(server, transport, [], (running) =>
            attack(running, transport, { seconds: seconds / targets.length, seed, peers })
          ),
        catch: (error) => new ChaosFailed({ message: `${server} over ${transport}: ${String(error)}` })
      })
      const problems = judge(outcome)
      failed += problems.length
      yield* Console.log(render(`${server} over ${transport}`, outcome, problems))
    }
    if (failed > 0) return yield* new ChaosFailed({ message: `${failed} things do not hold, see above` })
  })
).pipe(Command.withDescription("Attack both servers with peers that misbehave, and count what is left"))

chaos.pipe(Command.run({ version: "0.0.0" }), Effect.provide(NodeServices.layer), NodeRuntime.runMain)
