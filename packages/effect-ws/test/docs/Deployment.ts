/** Tests of the configurations that the page on deployment shows, with the programs that they are for. */
import { freePort } from "@effect-ws/test-support/LocalPort"
import * as Client from "@effect-ws/client/Client"
import * as FailureKind from "@effect-ws/client/FailureKind"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Child from "../support/Child.ts"
import * as Pages from "../support/Pages.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ws-docs-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Runs the test with the program, or says that it is not here; CI has to have it. */
const withProgram = (
  [command, ...version]: readonly [string, ...ReadonlyArray<string>],
  title: string,
  test: Effect.Effect<void, unknown, Scope.Scope>
): Pages.Cover =>
  spawnSync(command, version).error !== undefined && process.env["CI"] === undefined
    ? Pages.shown(`left out, there is no ${command} here`)
    : Pages.run(title, test)

/** The text of a block, with what is different here, each of which must be there. */
const edited = (name: string, edits: Pages.Edits): string =>
  edits.reduce((text, [from, to]) => {
    assert.include(text, from)
    return text.replaceAll(from, to)
  }, Pages.block(name).code)

/** The program of the page behind a proxy: the client's address comes through, and messages in both directions. */
const behind = (command: string, start: (home: string, port: number, backend: number) => ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const home = yield* folder
    const port = yield* freePort
    const server = yield* Pages.startServer("deployment-1", [
      ["port: 8000", "port: 0"],
      // The client is on this machine too, so the proxy is told by another address of it.
      ['["127.0.0.1", "10.0.0.0/8"]', '["127.0.0.2"]']
    ])
    yield* Child.launch(command, start(home, port, server.port))
    const connection = yield* Client.connect(`ws://127.0.0.1:${port}/`, { origin: `http://127.0.0.1:${port}` }).pipe(
      Effect.retry({
        while: FailureKind.isTransient,
        schedule: Schedule.spaced("100 millis"),
        times: 100
      }),
      Effect.provide(Client.layerDirect())
    )
    const told = (yield* connection.receive).data
    // Headers have no port, so the forwarded address is without.
    assert.match(`${told}`, /^you are 127\.0\.0\.1\b/)
    assert.notInclude(`${told}`, "127.0.0.2")
    yield* connection.send("hello")
    assert.strictEqual((yield* connection.receive).data, "hello")
    server.child.kill("SIGTERM")
    assert.strictEqual((yield* connection.closed).error.code, 1001)
  })

export const covers: Pages.Covers = {
  "deployment-1": Pages.shown("the proxies below run in front of it"),
  "deployment-2": Pages.run(
    "takes its options from the environment, and names what is missing there",
    Effect.gen(function* () {
      const program = Pages.stage("deployment-2", [])
      const port = yield* freePort
      const server = yield* Child.launch(process.execPath, [program], { PORT: `${port}`, MAX_CONNECTIONS: "1" })
      yield* server.printed("stdout", new RegExp(`Listening on 127\\.0\\.0\\.1:${port}`))
      const connect = Effect.provide(Client.connect(`ws://127.0.0.1:${port}/`), Client.layerDirect())
      const connection = yield* connect
      yield* connection.send("hello")
      assert.strictEqual((yield* connection.receive).data, "hello")
      const refused = yield* Effect.flip(connect)
      assert.strictEqual(refused._tag === "UnexpectedResponse" ? refused.status : refused, 503)

      const { code, stderr, stdout } = yield* (yield* Child.launch(process.execPath, [program])).ended
      assert.notStrictEqual(code, 0)
      assert.include(stdout + stderr, '["PORT"]')
      assert.notInclude(stdout, "Listening")
    })
  ),
  "deployment-3": withProgram(
    ["nginx", "-v"],
    "lets nginx pass WebSockets on, and say who the client is",
    behind("nginx", (home, port, backend) => {
      const site = edited("deployment-3", [
        ["listen 80;", `listen 127.0.0.1:${port};`],
        ["server 127.0.0.1:8000;", `server 127.0.0.1:${backend};`],
        ["proxy_pass http://chat;", "proxy_bind 127.0.0.2; proxy_pass http://chat;"]
      ])
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((of) => `${of}_temp_path ${home};`)
      writeFileSync(
        `${home}/nginx.conf`,
        `daemon off; master_process off; pid ${home}/pid; error_log stderr; events {}\nhttp { access_log off; ${temporary.join(" ")}\n${site}}\n`
      )
      return ["-p", home, "-c", `${home}/nginx.conf`]
    })
  ),
  "deployment-4": withProgram(
    ["haproxy", "-v"],
    "lets haproxy pass WebSockets on, and say who the client is",
    behind("haproxy", (home, port, backend) => {
      const text = edited("deployment-4", [
        ["bind :80", `bind 127.0.0.1:${port}`],
        ["server one 127.0.0.1:8000 check", `source 127.0.0.2\n  server one 127.0.0.1:${backend} check`]
      ])
      writeFileSync(`${home}/haproxy.cfg`, text)
      return ["-db", "-f", `${home}/haproxy.cfg`]
    })
  ),
  "deployment-5": Pages.shown("there is no Kubernetes here"),
  "deployment-6": withProgram(
    ["systemd-analyze", "--version"],
    "is a unit of which systemd has nothing to say",
    Effect.gen(function* () {
      const home = yield* folder
      const text = edited("deployment-6", [["/usr/bin/node", process.execPath]])
      writeFileSync(`${home}/chat.service`, text)
      const { status, stderr, stdout } = spawnSync("systemd-analyze", ["verify", `${home}/chat.service`], {
        encoding: "utf8"
      })
      assert.deepStrictEqual([status, stdout, stderr], [0, "", ""])
    })
  ),
  "deployment-7": Pages.shown("the host is not ours")
}
