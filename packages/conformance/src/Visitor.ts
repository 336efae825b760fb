/**
 * Our client before the suite as a server: it visits one case after the other, each at a URL of its own, and echoes
 * what it is sent until the suite is done with it.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Client, Extensions, PermessageDeflate } from "effect-ws"
import { ConformanceError } from "./ConformanceError.ts"

export interface VisitOptions {
  /** Where the suite listens, as `HOST:PORT`. */
  readonly address: string
  /** How many cases the suite is to run. */
  readonly count: number
  /** How many cases are visited at once. */
  readonly concurrency: number
  /** Whether the connections are streams of HTTP/2. Default: false. */
  readonly http2?: boolean | undefined
}

// In some cases the suite wants to ask the client to drop its window after each message, and it asks only those that
// offered to.
const deflate = PermessageDeflate.make({
  // The suite fails over a text message that is not compressed where compression was agreed on, which RFC 7692 6
  // allows.
  threshold: 0,
  skipIfLarger: false,
  offers: [{ client_max_window_bits: true }, { client_no_context_takeover: true, client_max_window_bits: true }]
})

/** Visits every case, and asks for the reports at the end. */
export const visit = Effect.fnUntraced(
  function* ({ address, concurrency, count, http2 }: VisitOptions) {
    const base = `ws://${address}`
    const http = http2 === true ? "2" : "1.1"
    const announced = yield* caseCount(base, http)
    if (announced !== count) {
      return yield* new ConformanceError({ message: `kosoku has ${announced} cases to run, expected ${count}` })
    }
    const numbers = Array.from({ length: count }, (_, index) => index + 1)
    yield* Effect.forEach(numbers, (number) => runCase(base, number, http), { concurrency, discard: true })
    yield* updateReports(base, http)
  },
  Effect.provide([Client.layerDirect(), Extensions.layer([deflate])])
)

/** What our client calls itself in the reports. */
export const agent = "effect-ws"

type Http = NonNullable<Client.ClientOptions["http"]>

const caseCount = (base: string, http: Http) =>
  Client.connect(`${base}/getCaseCount`, { http }).pipe(
    Effect.flatMap((connection) => connection.receive),
    Effect.map((message) => Number(message.data)),
    Effect.scoped,
    Effect.mapError(
      (error) => new ConformanceError({ message: `kosoku did not say how many cases it has: ${error.message}` })
    )
  )

const options = {
  // A ping that the suite did not ask for would be an event that no case expects.
  keepalive: false,
  // The largest messages of the suite, also in fragments of 64 bytes.
  maxMessageSize: 16 * 1024 * 1024,
  maxFragments: 1 << 18
} as const

// However a case ends, the suite is the judge of it; only that it can be visited is ours to say.
const runCase = (base: string, number: number, http: Http) =>
  Client.connect(`${base}/runCase?case=${number}&agent=${agent}`, { ...options, http }).pipe(
    Effect.mapError((error) => new ConformanceError({ message: `case number ${number}: ${error.message}` })),
    Effect.flatMap((connection) =>
      Effect.andThen(
        Effect.ignore(Stream.runForEach(connection.messages, (message) => connection.send(message))),
        connection.closed
      )
    ),
    Effect.scoped
  )

// It ends its stream without a close frame when the reports are written, and then itself.
const updateReports = (base: string, http: Http) =>
  Client.connect(`${base}/updateReports?agent=${agent}`, { http }).pipe(
    Effect.flatMap((connection) => connection.closed),
    Effect.scoped,
    Effect.mapError((error) => new ConformanceError({ message: `kosoku wrote no reports: ${error.message}` }))
  )
