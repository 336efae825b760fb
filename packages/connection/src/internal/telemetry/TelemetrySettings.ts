/**
 * What is recorded of connections.
 */

/** What is watched; everything is decided here. */
export interface TelemetrySettings {
  readonly metrics: boolean
  readonly spans: boolean
  readonly messageSpans: boolean
  readonly extractTraceContext: boolean
  readonly injectTraceContext: boolean
  readonly logAnnotations: boolean
}
