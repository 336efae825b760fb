import { serverSuite } from "./suite.ts"
import { transports } from "./support/transports.ts"
import { variants } from "./support/variants.ts"

for (const variant of variants) for (const transport of transports) serverSuite(transport, variant)
