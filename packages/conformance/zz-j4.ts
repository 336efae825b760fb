import * as Visitor from "/work/main/packages/conformance/src/Visitor.ts"
import { Effect } from "effect"
const [,, address, count, conc] = process.argv
console.time("visit")
Effect.runPromise(Visitor.visit({ address: address!, count: Number(count), concurrency: Number(conc) })).then(() => console.timeEnd("visit"), (e) => { console.log(e); process.exit(1) })
