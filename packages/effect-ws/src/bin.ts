#!/usr/bin/env node
/**
 * The executable. Before it loads anything else, it enables Node's compile cache, which halves the start-up time, and
 * exposes V8's garbage collector, so that connections trigger a collection of the young generation after every 16 MiB
 * received. Each read of a socket allocates memory outside of V8's heap, which becomes garbage as soon as it is
 * handled. Without these collections, V8 reaches its limit for such memory and collects the whole heap instead. A small
 * young generation would help large messages as well, but doubles the cost of a message at 1000 connections.
 */
import * as Module from "node:module"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
// Only a context that is created after the flag is set has the function.
Object.assign(globalThis, { gc: runInNewContext("gc") as unknown })
// Node 20 does not have this.
Module.enableCompileCache?.()

await import("./cli/Main.ts")

// Node writes the cache when the process exits. A process that is killed would never write it.
setTimeout(() => Module.flushCompileCache?.(), 1000).unref()
