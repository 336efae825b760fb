/**
 * Checks the sizes of bundles that matter, against budgets: what a browser would load to speak the protocol itself, and
 * what a program carries that bundles the client. `effect`, `@effect/platform-node` and Node stay outside, because an
 * Effect program has them already; so the figures are our own code, minified. Where a page may have nothing else of
 * Effect, `effect` is counted too.
 *
 * A figure above its budget means that an import drags in more than before. Raise the budget only for code that earns
 * it.
 */
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { build } from "rolldown"
import { root } from "./Packages.ts"

const kib = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`

interface Entry {
  readonly name: string
  readonly package: string
  readonly import: string
  readonly budget: number
  readonly withEffect?: boolean
}

/** Budgets are in KiB after gzip, about a fifth above what was measured when they were set. */
const entries: ReadonlyArray<Entry> = [
  {
    name: "the session of protocol",
    package: "protocol",
    import: `export * from "@effect-ws/protocol/Session"`,
    budget: 14
  },
  {
    name: "the session of protocol, with effect",
    package: "protocol",
    import: `export * from "@effect-ws/protocol/Session"`,
    withEffect: true,
    budget: 20
  },
  { name: "all of protocol", package: "protocol", import: `export * from "@effect-ws/protocol"`, budget: 34 },
  {
    name: "Client.connect",
    package: "client",
    import: `export { connect, layerDialer } from "@effect-ws/client/Client"`,
    budget: 58
  },
  { name: "all of client", package: "client", import: `export * from "@effect-ws/client"`, budget: 76 },
  {
    name: "BrowserClient.connect",
    package: "browser",
    import: `export { connect } from "@effect-ws/browser/BrowserClient"`,
    budget: 8
  },
  {
    name: "BrowserClient.connect, with effect",
    package: "browser",
    import: `export { connect } from "@effect-ws/browser/BrowserClient"`,
    withEffect: true,
    budget: 41
  },
  {
    name: "Reconnect of effect-ws/browser",
    package: "effect-ws",
    import: `export { Reconnect } from "effect-ws/browser"`,
    budget: 11
  },
  {
    name: "TopicClient of effect-ws/browser",
    package: "effect-ws",
    import: `export { TopicClient } from "effect-ws/browser"`,
    budget: 17
  },
  { name: "effect-ws/browser", package: "effect-ws", import: `export * from "effect-ws/browser"`, budget: 21 },
  { name: "all of effect-ws", package: "effect-ws", import: `export * from "effect-ws"`, budget: 138 }
]

// The packages export their sources in the workspace, so this needs no build.
for (const entry of entries) {
  const input = join(root, "packages", entry.package, `.size-entry.mjs`)
  writeFileSync(input, entry.import)
  try {
    const { output } = await build({
      input,
      platform: "node",
      logLevel: "warn",
      external: entry.withEffect === true ? /^node:/ : /^(?:effect|@effect\/platform-node)(?:\/|$)|^node:/,
      output: { minify: true },
      write: false
    })
    const code = output.map((chunk) => (chunk.type === "chunk" ? chunk.code : "")).join("\n")
    const size = gzipSync(code, { level: 9 }).length
    const isOver = size > entry.budget * 1024
    if (isOver) process.exitCode = 1
    process.stdout.write(
      `${isOver ? "over  " : "within"} ${entry.name}: ${kib(code.length)} minified, ${kib(size)} gzip, budget ${entry.budget} KiB\n`
    )
  } finally {
    rmSync(input, { force: true })
  }
}
