/**
 * What the other packages of this library share, and programs should not use: it may change in any release. The import
 * check lets only published packages import it.
 */
export { callEach } from "./internal/callEach.ts"
export { LinkedList } from "./internal/LinkedList.ts"
export type { Links } from "./internal/LinkedList.ts"
export { unknownPeer } from "./internal/unknownPeer.ts"
