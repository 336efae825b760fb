import type * as Http2 from "node:http2"
import { createRequire } from "node:module"

/**
 * Returns Node's HTTP/2 module and loads it at the first call. The module loads most of Node's HTTP code with it, which
 * takes a tenth of the start-up time of a server, and most servers do not speak HTTP/2.
 */
export const nodeHttp2 = (): typeof Http2 => {
  const loaded: unknown =
    // Older versions of Node 20 do not have this.
    process.getBuiltinModule?.("node:http2") ?? createRequire(import.meta.url)("node:http2")
  return loaded as typeof Http2
}
