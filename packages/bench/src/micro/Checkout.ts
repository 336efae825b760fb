/**
 * The modules of one checkout of this repository, so that two commits can be compared by the same benchmark: the
 * benchmark stays this one, what it measures is imported from there.
 */
import { createRequire } from "node:module"
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"

/** This checkout. */
export const here = resolve(import.meta.dirname, "../../../..")

/** Imports a module as the `bench` package of a checkout would. */
export const importFrom = <A>(checkout: string, specifier: string): Promise<A> =>
  import(pathToFileURL(createRequire(join(checkout, "packages/bench/package.json")).resolve(specifier)).href)
