import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { existsSync } from "node:fs"
import * as Kosoku from "../src/Kosoku.ts"
import * as Program from "../src/Program.ts"
import * as Report from "../src/Report.ts"
import { wsEcho } from "./WsEcho.ts"

const reports = FileSystem.FileSystem.use((fs) => fs.makeTempDirectoryScoped({ prefix: "conformance-" }))

describe("Kosoku", () => {
  it.live.skipIf(!process.env.CI && !existsSync(Kosoku.executable))(
    "runs cases against a server and reads their results (needs Python: `pnpm conformance` installs kosoku)",
    () =>
      Effect.gen(function* () {
        yield* Kosoku.install
        const options = { address: yield* wsEcho, reports: yield* reports, timeout: "30 seconds" } as const
        const results = yield* Kosoku.fuzzServer({ ...options, cases: ["1.1.1", "1.1.8", "6.4.1", "12.1.1"] })
        const verdicts = Report.judge(["1.1.1", "1.1.8", "6.4.1", "12.1.1"], results)
        // ws checks UTF-8 when a message is complete, and here it does not compress.
        assert.deepStrictEqual(verdicts, [
          { id: "1.1.1", passed: true, behavior: "OK" },
          { id: "1.1.8", passed: true, behavior: "OK" },
          { id: "6.4.1", passed: false, behavior: "NON-STRICT" },
          { id: "12.1.1", passed: false, behavior: "UNIMPLEMENTED" }
        ])
      }).pipe(Effect.provide(NodeServices.layer)),
    180_000
  )

  it.live("bounds a run in time and says so", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Program.run("sleep", ["30"], "50 millis"))
      assert.strictEqual(error.message, "sleep 30 was not done within 50 millis")
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("says which program is missing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Program.run("no-such-program", ["-x"], "5 seconds"))
      assert.match(error.message, /^no-such-program -x could not run: /)
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
