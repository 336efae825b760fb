/**
 * What the other packages of this library share, and programs should not use: it may change in any release. The import
 * check lets only published packages import it.
 */
export { digestHashes } from "./internal/digestHashes.ts"
