#!/usr/bin/env node
/**
 * The executable. Before it loads anything else it keeps V8's young generation small. Every read of a socket is a piece
 * of memory outside of the heap that is garbage as soon as it is handled, and V8 frees it when the young generation is
 * full: one that has grown (which loading Effect alone makes it do) frees late. Messages of 16 KiB take a third less of
 * the processor so, and a process that passes on one of 2 GiB grows by 20 MiB in place of 75.
 */
import { setFlagsFromString } from "node:v8"

setFlagsFromString("--semi-space-growth-factor=1")

await import("./cli/Main.ts")
