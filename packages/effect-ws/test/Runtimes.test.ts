/**
 * The checks of `runtimes/checks.ts` on Bun and Deno: on the runtime alone, against a server on Node, and for a client
 * on Node. `BUN` and `DENO` name the programs; they may also be on the `PATH`. The table of docs/runtimes.md says the
 * same.
 */
import * as Executable from "@effect-ws/test-support/Executable"
import * as TestCertificates from "@effect-ws/test-support/Certificates"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Client } from "effect-ws"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { checks, serveEcho, talkTo } from "./runtimes/checks.ts"
import { launch } from "./support/Child.ts"

/** What a runtime cannot do yet: a check that begins to pass fails the test, so that the page can be mended. */
const runtimes = {
  Bun: { program: "bun", args: [], lacks: ["WebSockets over HTTP/2"] },
  Deno: { program: "deno", args: ["run", "--allow-all", "--node-modules-dir=manual"], lacks: [] }
} satisfies Record<string, { program: string; args: Array<string>; lacks: Array<string> }>

const find = (program: string): string | undefined => process.env[program.toUpperCase()] ?? Executable.find(program)

const main = join(import.meta.dirname, "runtimes/main.ts")

const environment = Effect.promise(async () => {
  const root = await TestCertificates.makeAuthority()
  const server = await root.issue({ name: "server", ...TestCertificates.localhost })
  return { CA: root.cert, CERT: server.cert, KEY: server.key }
})

interface Line {
  readonly name: string
  readonly ok: boolean
  readonly why?: string
}

describe.each(Object.entries(runtimes))("%s", { timeout: 120_000 }, (name, { args, lacks, program }) => {
  const path = find(program)
  const isLeftOut = path === undefined && !process.env["CI"]

  it.live.skipIf(isLeftOut)(`does what docs/runtimes.md says (needs ${program.toUpperCase()})`, () =>
    Effect.gen(function* () {
      const host = yield* serveEcho
      const { ended } = yield* launch(path ?? program, [...args, main, `ws://${host}/`], yield* environment)
      const { code, stderr, stdout } = yield* ended
      assert.strictEqual(code, 0, stderr)
      const lines = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Line)
      assert.deepStrictEqual(
        lines.filter(({ ok }) => !ok).map(({ name }) => name),
        lacks,
        lines.map(({ why = "" }) => why).join("\n")
      )
      assert.sameMembers(
        lines.map(({ name }) => name),
        [...Object.keys(checks), "an echo server on Node"]
      )
    })
  )

  it.live.skipIf(isLeftOut)(`serves clients on Node (needs ${program.toUpperCase()})`, () =>
    Effect.gen(function* () {
      const server = yield* launch(path ?? program, [...args, main, "serve"])
      const [, host] = yield* server.find("stdout", /"host":"([^"]+)"/)
      yield* talkTo(`ws://${host}/`)
      server.child.stdin.end()
      assert.strictEqual((yield* server.ended).code, 0)
    }).pipe(Effect.provide(Client.layerDirect()))
  )

  it("has its column in docs/runtimes.md", () => {
    const rows = readFileSync(new URL("../../../docs/runtimes.md", import.meta.url), "utf8")
      .split("\n")
      .map((line) => line.split("|").map((cell) => cell.trim()))
    const header = rows.find((row) => row.includes(name))!
    const column = header.indexOf(name)
    const said = rows.filter(([, check]) => check !== undefined && check in checks)
    assert.deepStrictEqual(
      said.map((row) => [row[1], row[column]]),
      Object.keys(checks).map((check) => [check, lacks.some((lack) => lack === check) ? "no" : "yes"])
    )
  })
})
