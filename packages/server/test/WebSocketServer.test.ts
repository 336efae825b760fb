import { handlersSuite } from "./handlersSuite.ts"
import { directSuite } from "./suite.ts"
import { transports } from "./support/transports.ts"
import { direct, handled } from "./support/variants.ts"

for (const transport of transports) {
  for (const variant of direct) directSuite(transport, variant)
  for (const variant of handled) handlersSuite(transport, variant)
}
