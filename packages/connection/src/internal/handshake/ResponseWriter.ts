/**
 * How a server answers a request: by a status, fields and perhaps a body. Over HTTP/1.1 they are bytes in front of all
 * others; over HTTP/2 the stream takes them as they are.
 */
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import type { HandshakeConfigError } from "@effect-ws/protocol/HandshakeConfigError"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import { withoutConnectionFields } from "@effect-ws/protocol/Http2Head"
import * as HttpHead from "@effect-ws/protocol/HttpHead"
import * as ServerHandshake from "@effect-ws/protocol/ServerHandshake"
import type * as Push from "@effect-ws/transport/Push"
import * as Result from "effect/Result"
import type { HttpAnswer } from "./HandshakeDecision.ts"
import { encodeAnswer } from "./httpAnswers.ts"
import { sha1 } from "./sha1.ts"

type AgreedOptions = Omit<ServerHandshake.AcceptOptions, "sha1">

export interface ResponseWriter {
  /** Opens the WebSocket; fails where the program asked for what cannot be answered, and then has written nothing. */
  accept(request: ServerHandshake.UpgradeRequest, options: AgreedOptions): Result.Result<void, HandshakeConfigError>
  /** Sends the complete response of a rejection. */
  reject(rejection: HandshakeRejection.HandshakeRejection): void
  /** Sends a page or the like. */
  answer(answer: HttpAnswer, withBody: boolean): void
}

export class Http1ResponseWriter implements ResponseWriter {
  private readonly writer: Push.PushWriter

  constructor(writer: Push.PushWriter) {
    this.writer = writer
  }

  accept(request: ServerHandshake.UpgradeRequest, options: AgreedOptions): Result.Result<void, HandshakeConfigError> {
    const { key } = request
    if (key !== undefined && isPlain(options)) {
      this.writer.writeUnsafe(ServerHandshake.encodePlainAccept(key, sha1))
      return accepted
    }
    return Result.map(ServerHandshake.acceptResponse(request, { ...options, sha1 }), (head) => {
      this.writer.writeUnsafe(Result.getOrThrow(HttpHead.encodeResponse(head)))
    })
  }

  reject(rejection: HandshakeRejection.HandshakeRejection): void {
    this.writer.writeUnsafe(HandshakeRejection.encode(rejection))
  }

  answer(answer: HttpAnswer, withBody: boolean): void {
    this.writer.writeUnsafe(encodeAnswer(answer, withBody))
  }
}

export class Http2ResponseWriter implements ResponseWriter {
  private readonly respond: Push.Respond

  constructor(respond: Push.Respond) {
    this.respond = respond
  }

  accept(request: ServerHandshake.UpgradeRequest, options: AgreedOptions): Result.Result<void, HandshakeConfigError> {
    return Result.map(ServerHandshake.connectResponse(request, options), ({ headers, status }) =>
      this.respond(status, headers, undefined)
    )
  }

  reject(rejection: HandshakeRejection.HandshakeRejection): void {
    const { body, head } = HandshakeRejection.toResponse(rejection)
    this.complete(head.status, head.headers, body)
  }

  answer({ body, headers, status }: HttpAnswer, withBody: boolean): void {
    this.complete(status, HeaderFields.fromInput(headers), withBody ? body : nothing)
  }

  private complete(status: number, headers: HeaderFields.HeaderFields, body: Uint8Array): void {
    this.respond(status, withoutConnectionFields(headers), body)
  }
}

const isPlain = ({ extensions = [], headers, subprotocol }: AgreedOptions): boolean =>
  subprotocol === undefined && extensions.length === 0 && headers === undefined

const accepted = Result.succeed(undefined)

const nothing = new Uint8Array(0)
