import { badFrameSuite } from "./badFrameSuite.ts"
import { badRequestSuite } from "./badRequestSuite.ts"
import { ways } from "./support/ways.ts"

for (const way of ways) {
  for (const kind of ["fiber", "queue"] as const) {
    badRequestSuite(way, kind)
    badFrameSuite(way, kind)
  }
}
