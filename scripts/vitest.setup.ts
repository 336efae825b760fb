/**
 * What every test file needs before it runs: Effect's equality in assertions, and the Node version that the workspace
 * pins. A test that ran by accident on the machine's own Node would prove nothing about the one we support.
 */
import { addEqualityTesters } from "@effect/vitest"

const major = Number(process.versions.node.split(".")[0])
if (major !== 26) {
  throw new Error(
    `the tests run on Node 26, the one in node_modules/.bin; this is ${process.version} at ${process.execPath}`
  )
}

addEqualityTesters()
