/** What the page and the server say to each other, the one module that both import. */
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as Schema from "effect/Schema"

export const Said = Schema.Struct({ text: Schema.String, at: Schema.Date })

export const Echo = TypedConnection.protocol({ fromClient: Said, fromServer: Said })
