import { assert, describe, it } from "@effect/vitest"
import { attack } from "../src/Attack.ts"
import { withServer } from "../src/Server.ts"
import { judge } from "../src/Verdict.ts"

describe("attack", () => {
  it("finds fibers that a server leaks", { timeout: 180_000 }, async () => {
    const outcome = await withServer("fiber", "tcp", ["--leak"], (server) =>
      attack(server, "tcp", { seconds: 1, seed: 1, peers: 20 })
    )
    assert.isTrue(
      judge(outcome).some((problem) => problem.startsWith("fibers grew")),
      judge(outcome).join("\n")
    )
  })
})
