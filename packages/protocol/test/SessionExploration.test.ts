import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { roles, runs } from "./fixtures/ends.ts"
import { World } from "./fixtures/world.ts"
import type { Action } from "./fixtures/world.ts"

const action: Arbitrary.Arbitrary<Action> = Arbitrary.map(
  Arbitrary.all({
    by: Arbitrary.schema(Schema.Literals(["client", "server"])),
    kind: Arbitrary.schema(
      Schema.Literals([
        "text",
        "binary",
        "piece",
        "piece",
        "ping",
        "pong",
        "fragments",
        "backedUp",
        "answer",
        "close",
        "drop",
        "deliver",
        "deliver",
        "deliver",
        "deliver"
      ])
    ),
    size: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 }))),
    flag: Arbitrary.schema(Schema.Boolean),
    code: Arbitrary.schema(Schema.Literals([1000, 1001, 1011, 3000, 4999]))
  }),
  ({ by, code, flag, kind, size }): Action => {
    switch (kind) {
      case "text":
      case "binary":
        return { do: kind, by, size }
      case "piece":
        return { do: kind, by, last: flag }
      case "close":
        return { do: kind, by, code }
      case "backedUp":
        return { do: kind, by, value: flag }
      case "deliver":
        return { do: kind, by, size: flag ? 0 : size }
      default:
        return { do: kind, by }
    }
  }
)

// Few conversations get far if one action in eight ends them.
const unlessRare = (actions: ReadonlyArray<Action>, rare: Action["do"], every: number): Array<Action> =>
  actions.filter((action, at) => action.do !== rare || at % every === every - 1)

const explore = (actions: ReadonlyArray<Action>, isExtended: boolean): void => {
  const world = new World(isExtended)
  for (const action of actions) world.step(action)
  world.finish()
}

const actions = Arbitrary.array(action, { maxLength: 80 })

describe("two sessions and anything that may happen", () => {
  it.prop(
    "lose no message, send nothing after close, and always end clean while the transport holds",
    { actions, isExtended: Arbitrary.schema(Schema.Boolean), closes: Arbitrary.schema(Schema.Literals([1, 3, 9])) },
    ({ actions, closes, isExtended }) => {
      explore(
        unlessRare(
          actions.filter(({ do: what }) => what !== "drop"),
          "close",
          closes
        ),
        isExtended
      )
    },
    { timeout: 120_000, arbitrary: { runs: Math.max(runs, 1000), size: 80 } }
  )

  it.prop(
    "always end when the transport breaks off, with a prefix of what was sent",
    { actions, isExtended: Arbitrary.schema(Schema.Boolean) },
    ({ actions, isExtended }) => explore(unlessRare(unlessRare(actions, "close", 3), "drop", 4), isExtended),
    { timeout: 120_000, arbitrary: { runs: Math.max(runs, 1000), size: 80 } }
  )
})

interface Visit {
  readonly path: ReadonlyArray<Action>
  readonly world: World
}

const replay = (path: ReadonlyArray<Action>): World => {
  const world = new World()
  for (const action of path) world.step(action)
  return world
}

// Visits every world that the actions lead to in so many steps, each once, and ends each of them.
const visitAll = (alphabet: ReadonlyArray<Action>, depth: number): number => {
  const seen = new Set<string>([new World().fingerprint])
  let frontier: Array<Visit> = [{ path: [], world: new World() }]
  for (let level = 0; level < depth; level++) {
    const next: Array<Visit> = []
    for (const { path } of frontier) {
      for (const action of alphabet) {
        const longer = [...path, action]
        const world = replay(longer)
        const { fingerprint } = world
        if (seen.has(fingerprint)) continue
        seen.add(fingerprint)
        next.push({ path: longer, world })
      }
    }
    for (const { path, world } of next) {
      try {
        world.finish()
      } catch (cause) {
        throw new Error(`after ${JSON.stringify(path)}`, { cause })
      }
    }
    frontier = next
  }
  return seen.size
}

const bothWays = (make: (by: Action["by"]) => ReadonlyArray<Action>): Array<Action> => roles.flatMap(make)

describe("every short conversation of two sessions", () => {
  it("with messages, closes and answers, sixteen steps deep", () => {
    const alphabet = bothWays((by) => [
      { do: "text", by, size: 9 },
      { do: "close", by, code: by === "client" ? 1000 : 4000 },
      { do: "answer", by },
      { do: "deliver", by, size: 0 }
    ])
    assert.isAbove(visitAll(alphabet, 16), 600)
  }, 60_000)

  it("with pieces, pings, frames cut in two and a lost transport, six steps deep in CI", () => {
    const alphabet = bothWays((by) => [
      { do: "piece", by, last: false },
      { do: "piece", by, last: true },
      { do: "ping", by },
      { do: "backedUp", by, value: true },
      { do: "fragments", by },
      { do: "close", by, code: 1000 },
      { do: "answer", by },
      { do: "drop", by },
      { do: "deliver", by, size: 3 },
      { do: "deliver", by, size: 0 }
    ])
    assert.isAbove(visitAll(alphabet, process.env["CI"] === undefined ? 5 : 6), 3000)
  }, 120_000)
})
