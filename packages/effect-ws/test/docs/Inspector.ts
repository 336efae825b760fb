/** Tests of what docs/inspector.md shows. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { open } from "../support/Client.ts"
import * as Pages from "../support/Pages.ts"

const fetchText = (url: string) =>
  Effect.promise(async () => (await fetch(url, { headers: { Connection: "close" } })).text())

export const covers: Pages.Covers = {
  "inspector-1": Pages.run(
    "prints where the page is",
    Effect.gen(function* () {
      const line = Pages.command("inspector-1", 0, [["9000", "0 --port 0"]])
      const server = yield* Pages.startCommand(line)
      const [, url] = yield* server.find("stdout", /^inspector on (.*)$/m)
      assert.include(yield* fetchText(url!), "<title>Inspector")
    })
  ),
  "inspector-2": Pages.run(
    "serves, and shows the page on a port of its own",
    Effect.gen(function* () {
      const { find, port } = yield* Pages.startServer("inspector-2", [
        ["port: 8000", "port: 0"],
        ["port: 9000", "port: 0"]
      ])
      const [, url] = yield* find("stdout", /The inspector is at (\S+)/)
      assert.include(yield* fetchText(url!), "<title>Inspector")
      yield* open(`ws://127.0.0.1:${port}/`)
    })
  )
}
