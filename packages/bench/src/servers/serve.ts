/** Ours as its users start it without a program of their own: the command line, as a bundle where it was built. */
import { pathToFileURL } from "node:url"
import { compression, obey } from "./Control.ts"

const file = process.env["BENCH_SERVE"]!

process.argv.splice(1, Infinity, file, "serve", "--port", "0", "--log-level", "none")
if (compression === undefined) process.argv.push("--no-deflate")
obey()
await import(pathToFileURL(file).href)
