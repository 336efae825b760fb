import type { Connection } from "@effect-ws/connection/Connection"
import * as MessageCodec from "@effect-ws/connection/MessageCodec"
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type { WebSocketServer } from "@effect-ws/server/WebSocketServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type * as Stream from "effect/Stream"
import { describe, expect, it } from "tstyche"

class Key extends Context.Service<Key, string>()("typetest/Key") {}

const Secret = Schema.String.pipe(
  Schema.decodeTo(Schema.String, {
    decode: SchemaGetter.transformEffect((text: string) => Effect.map(Key, (key) => key + text)),
    encode: SchemaGetter.transform((text: string) => text)
  })
)
const Question = Schema.Struct({ question: Schema.String })
const Answer = Schema.Struct({ answer: Schema.Date })
const Quiz = TypedConnection.protocol({ fromClient: Question, fromServer: Answer })

declare const connection: Connection
declare const server: WebSocketServer["Service"]

describe("TypedConnection", () => {
  it("types both directions, from either side", () => {
    const server = TypedConnection.make(connection, Quiz.server)
    const client = TypedConnection.make(connection, Quiz.client)
    type Server = Effect.Success<typeof server>
    type Client = Effect.Success<typeof client>
    expect<Server["messages"]>().type.toBe<Stream.Stream<{ readonly question: string }, CloseError.CloseError>>()
    expect<Parameters<Server["send"]>[0]>().type.toBe<{ readonly answer: Date }>()
    expect<Effect.Success<Client["receive"]>>().type.toBe<{ readonly answer: Date }>()
    expect<Parameters<Client["send"]>[0]>().type.toBe<{ readonly question: string }>()
    expect<Client["connection"]>().type.toBe<Connection>()
  })

  it("needs the services of its Schemas, for the direction in which they are used", () => {
    const reads = TypedConnection.make(connection, { receive: Secret, send: Schema.String })
    const writes = TypedConnection.make(connection, { receive: Schema.String, send: Secret })
    expect<Effect.Services<typeof reads>>().type.toBe<Key>()
    expect<Effect.Services<typeof writes>>().type.toBe<never>()
  })

  it("fails reading with what onInvalid fails with", () => {
    const typed = TypedConnection.make(connection, { ...Quiz.server, onInvalid: () => Effect.fail("enough" as const) })
    type Typed = Effect.Success<typeof typed>
    expect<Effect.Error<Typed["receive"]>>().type.toBe<CloseError.CloseError | "enough">()
  })

  it("takes Schemas that encode to the content of a message for the codec that needs them, and no others", () => {
    const codec = MessageCodec.encoded
    expect(TypedConnection.make).type.toBeCallableWith(connection, {
      receive: Schema.NumberFromString,
      send: Schema.Uint8Array,
      codec
    })
    expect(TypedConnection.make).type.not.toBeCallableWith(connection, { receive: Question, send: Answer, codec })
  })

  it("broadcasts values of the side that sends them", () => {
    const sent = server.broadcast({ answer: new Date() }, { as: Quiz.server, except: connection })
    expect<Effect.Error<typeof sent>>().type.toBe<Schema.SchemaError>()
    expect<Effect.Services<typeof sent>>().type.toBe<never>()
    expect(server.broadcast).type.not.toBeCallableWith({ answer: 1 }, { as: Quiz.server })
    expect(server.broadcast).type.not.toBeCallableWith({ answer: new Date() })
    const text = server.broadcast("text")
    expect<Effect.Error<typeof text>>().type.toBe<never>()
    const secret = server.broadcast("secret", { as: { send: Secret } })
    expect<Effect.Error<typeof secret>>().type.toBe<Schema.SchemaError>()
  })
})
