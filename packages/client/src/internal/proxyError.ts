import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import { formatAddress } from "@effect-ws/transport/Dialer"
import type { DialAddress } from "@effect-ws/transport/Dialer"
import * as Effect from "effect/Effect"
import { ProxyError } from "../ProxyError.ts"

/** What is known of a failure, beside its rule and a text. */
interface Details {
  readonly status?: number
  readonly headers?: HeaderFields.HeaderFields
  readonly reply?: number
  readonly cause?: unknown
}

/** Creates the error of a proxy that opened no tunnel to a destination. */
export const proxyError = (
  proxy: DialAddress,
  destination: DialAddress,
  rule: ProxyError["rule"],
  detail: string,
  { cause, headers = HeaderFields.empty, reply, status }: Details = {}
): ProxyError =>
  new ProxyError({
    rule,
    detail,
    proxy: formatAddress(proxy),
    destination: formatAddress(destination),
    headers,
    ...(status === undefined ? undefined : { status }),
    ...(reply === undefined ? undefined : { reply }),
    ...(cause === undefined ? undefined : { cause })
  })

/** Fails a request for a tunnel by a rule. */
export type TunnelFailure = (
  rule: ProxyError["rule"],
  detail: string,
  details?: Details
) => Effect.Effect<never, ProxyError>

/** Returns the failures of a tunnel through a proxy to a destination. */
export const tunnelFailure =
  (proxy: DialAddress, destination: DialAddress): TunnelFailure =>
  (rule, detail, details) =>
    Effect.fail(proxyError(proxy, destination, rule, detail, details))
