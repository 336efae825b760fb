/** The certificate of the rows over TLS: made once for a run. */
import { localhost, makeSelfSigned, type Pair } from "@effect-ws/test-support/Certificates"

let made: Promise<Pair> | undefined

/** Gives it. */
export const certificate = (): Promise<Pair> => (made ??= makeSelfSigned({ name: "localhost", ...localhost }))
