/**
 * Looks for leaks where handlers fail: `node src/handler-leak.ts [fiber|queue] [VISITS]` has a server visited 100 000
 * times. Of nine visitors one each says goodbye, resets, makes the handler fail with a close of its own, fail with
 * another error, die, be interrupted, or hang while the visitor leaves, leaves in the middle of a message, or gets its
 * echo.
 */
import * as Effect from "effect/Effect"
import { BenchError, spawn, sourceFile } from "./Child.ts"
import { encodeMasked } from "./Frames.ts"
import { runMain } from "./Leak.ts"
import * as Load from "./Load.ts"

const atOnce = 32

const text = (words: string): Uint8Array => encodeMasked("text", new TextEncoder().encode(words), Load.mask)

const half = text("in the middle").subarray(0, 9)
const hang = text("hang")

// What each visitor sends. The server closes after some; a visitor leaves as soon as it hears anything.
const kinds: ReadonlyArray<Uint8Array | "reset"> = [
  Load.closing,
  "reset",
  text("close"),
  text("fail"),
  text("die"),
  text("interrupt"),
  hang,
  half,
  text("echo")
]

const visit = (target: Load.Target, count: number): Promise<void> =>
  new Promise((resolve, reject) => {
    let started = 0
    let left = 0
    const next = (): void => {
      if (started === count) return
      const kind = kinds[started++ % kinds.length]!
      let over = false
      const leave = (): void => {
        if (over) return
        over = true
        // A reset leaves nothing in TIME_WAIT.
        socket.resetAndDestroy()
        if (++left === count) resolve()
        else next()
      }
      const onOpen = (): void => {
        if (kind === "reset") leave()
        else if (kind === half || kind === hang) socket.write(kind, leave)
        else socket.write(kind)
      }
      const socket = Load.dial(target, { onOpen, onBytes: leave, onFailure: (error) => void (over || reject(error)) })
    }
    for (let i = Math.min(atOnce, count); i > 0; i--) next()
  })

const [name = "fiber", visits = "100000"] = process.argv.slice(2)

runMain({
  name,
  visits: Number(visits),
  start: Effect.gen(function* () {
    const child = yield* spawn(name, [process.execPath, "--expose-gc", sourceFile("servers/failing.ts")], {
      VARIANT: name
    })
    const line = yield* child.line(15)
    const port = Number(/^listening (\d+)$/.exec(line)?.[1])
    if (Number.isNaN(port)) return yield* new BenchError({ message: `the server said ${line}` })
    return { child, port }
  }),
  visit
})
