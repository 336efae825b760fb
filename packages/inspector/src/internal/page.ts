/**
 * The page of the inspector. It finds its WebSocket beside its own address, at `socket`.
 */
import * as files from "../page/files.ts"
import * as SingleFilePage from "../SingleFilePage.ts"

export const page: SingleFilePage.SingleFilePage = SingleFilePage.make(files)
