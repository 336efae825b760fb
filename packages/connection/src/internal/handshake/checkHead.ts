/**
 * Holds the head of a request that another program has read to what is asked of one that we read: it is written down
 * and read again.
 */
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import { HttpHeadError, HeadParser } from "@effect-ws/protocol/HeadParser"
import type { HeadLimits } from "@effect-ws/protocol/HeadParser"
import * as HttpHead from "@effect-ws/protocol/HttpHead"
import type { RequestHead } from "@effect-ws/transport/Push"
import * as Result from "effect/Result"

/** Returns the head where it is well-formed and within the limits, or says why it is refused. */
export const checkHead = (
  head: RequestHead,
  limits: HeadLimits
): Result.Result<HttpHead.RequestHead, HandshakeRejection.HandshakeRejection> => {
  // Whether the version is one of ours is for the parser to see.
  const bytes = HttpHead.encodeRequest(head as HttpHead.RequestHead)
  if (Result.isFailure(bytes)) return Result.fail(invalid(bytes.failure.detail))
  const parsed = new HeadParser("request", limits).push(bytes.success)
  if (parsed === undefined) return Result.fail(invalid("the head has no end"))
  return parsed instanceof HttpHeadError
    ? Result.fail(HandshakeRejection.fromHeadError(parsed))
    : Result.succeed(parsed.head)
}

const invalid = (detail: string): HandshakeRejection.HandshakeRejection =>
  new HandshakeRejection.HandshakeRejection({
    rule: "InvalidHead",
    status: 400,
    reason: `invalid HTTP head: ${detail}`
  })
