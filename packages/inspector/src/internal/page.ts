/**
 * The page of the inspector. It finds its WebSocket beside its own address, at `socket`.
 */
import * as files from "../page/files.ts"
import * as SingleFilePage from "../SingleFilePage.ts"

let made: SingleFilePage.SingleFilePage | undefined

/** The page, made when it is first asked for: programs that import this and show no page do not pay for it. */
export const page = (): SingleFilePage.SingleFilePage => (made ??= SingleFilePage.make(files))
