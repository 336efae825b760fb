import { badInputSuite } from "./badInputSuite.ts"
import { ways } from "./support/ways.ts"

for (const way of ways) {
  for (const kind of ["fiber", "queue"] as const) badInputSuite(way, kind)
}
