/**
 * Holds the head of a request that somebody else has read to what is asked of one that we read: it is written down and
 * read again.
 */
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import { HeadError, HeadParser } from "@effect-ws/protocol/HeadParser"
import type { HeadLimits } from "@effect-ws/protocol/HeadParser"
import * as HttpHead from "@effect-ws/protocol/HttpHead"
import type { RequestHead } from "@effect-ws/transport/Push"
import * as Result from "effect/Result"

/** Says why a head is refused, or nothing where it is well-formed and within the limits. */
export const checkHead = (head: RequestHead, limits: HeadLimits): HandshakeRejection.HandshakeRejection | undefined => {
  const bytes = HttpHead.encodeRequest(head)
  if (Result.isFailure(bytes)) {
    const reason = `invalid HTTP head: ${bytes.failure.detail}`
    return new HandshakeRejection.HandshakeRejection({ rule: "InvalidHead", status: 400, reason })
  }
  const parsed = new HeadParser("request", limits).push(bytes.success)
  return parsed instanceof HeadError ? HandshakeRejection.fromHeadError(parsed) : undefined
}
