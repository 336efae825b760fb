import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { existsSync } from "node:fs"
import * as Kosoku from "../src/Kosoku.ts"
import * as KosokuServer from "../src/KosokuServer.ts"
import * as Report from "../src/Report.ts"
import * as Visitor from "../src/Visitor.ts"

describe("KosokuServer", () => {
  it.live.skipIf(!process.env.CI && !existsSync(Kosoku.executable))(
    "runs cases against our client and reads their results (needs Python: `pnpm conformance` installs kosoku)",
    () =>
      Effect.gen(function* () {
        yield* Kosoku.install
        const fs = yield* FileSystem.FileSystem
        const cases = ["1.1.8", "6.4.1", "7.1.5", "7.1.6", "13.2.1"]
        const reports = yield* fs.makeTempDirectoryScoped({ prefix: "conformance-" })
        const results = yield* KosokuServer.fuzzClient({ cases, reports, timeout: "60 seconds" })
        assert.deepStrictEqual(
          Report.judge(cases, results).filter(({ passed }) => !passed),
          []
        )
        // What it says itself is passed on.
        const error = yield* Effect.flip(
          KosokuServer.fuzzClient({ cases: [...cases, "99.9.9"], reports, timeout: "60 seconds" })
        )
        assert.match(error.message, /^kosoku did not say where it listens\n[^]*no such case: 99\.9\.9/)
      }).pipe(Effect.provide(NodeServices.layer)),
    180_000
  )

  it.live("says where it cannot find the suite", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Visitor.visit({ address: "127.0.0.1:1", count: 1, concurrency: 1 }))
      assert.match(error.message, /^kosoku did not say how many cases it has: cannot connect to 127\.0\.0\.1:1/)
    })
  )
})
