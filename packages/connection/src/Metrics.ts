/**
 * Every metric that a server or client keeps, as a table: its name, what it counts, in which unit, and by what it is
 * told apart. `Telemetry` switches them on.
 *
 * Names are those of Prometheus: snake case, the unit at the end, `_total` where it only grows. Units are written as
 * OpenTelemetry writes them, in UCUM.
 *
 * @since 0.1.0
 */

/**
 * What is known of a metric before anything was measured.
 *
 * @category models
 * @since 0.1.0
 */
export interface MetricDefinition {
  readonly name: string
  readonly type: "counter" | "gauge" | "histogram"
  /** In UCUM: `By` is bytes, `s` seconds, and what stands in braces is counted. */
  readonly unit: string
  /** The attributes that distinguish its series. `role` is `server` or `client`, `source` is `topic` or `broadcast`. */
  readonly attributes: ReadonlyArray<string>
  readonly description: string
  /** A histogram's upper bounds. */
  readonly boundaries?: ReadonlyArray<number> | undefined
}

const measure = <const M extends MetricDefinition>(measure: M): M => measure

// From a handshake on one machine to one that is about to time out.
const seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/**
 * The metrics.
 *
 * @category constants
 * @since 0.1.0
 */
export const definitions = {
  connectionsActive: measure({
    name: "websocket_connections_active",
    type: "gauge",
    unit: "{connection}",
    attributes: ["role"],
    description: "Connections that are open now"
  }),
  connectionsOpened: measure({
    name: "websocket_connections_opened_total",
    type: "counter",
    unit: "{connection}",
    attributes: ["role"],
    description: "Connections that were opened"
  }),
  connectionsClosed: measure({
    name: "websocket_connections_closed_total",
    type: "counter",
    unit: "{connection}",
    attributes: ["role", "code", "initiator"],
    description: "Connections that have ended, by close code and by who began: local, remote, or transport"
  }),
  connectionDuration: measure({
    name: "websocket_connection_duration_seconds",
    type: "histogram",
    unit: "s",
    attributes: ["role"],
    description: "How long connections that have ended were open",
    boundaries: [0.1, 1, 10, 60, 300, 900, 3600, 14_400, 86_400]
  }),
  handshakesActive: measure({
    name: "websocket_handshakes_active",
    type: "gauge",
    unit: "{handshake}",
    attributes: ["role"],
    description: "Opening handshakes that are under way now"
  }),
  handshakesFailed: measure({
    name: "websocket_handshakes_failed_total",
    type: "counter",
    unit: "{handshake}",
    attributes: ["role", "status", "error"],
    description: "Opening handshakes that were refused or failed, by the HTTP status of the answer and by the rule"
  }),
  handshakeDuration: measure({
    name: "websocket_handshake_duration_seconds",
    type: "histogram",
    unit: "s",
    attributes: ["role", "outcome"],
    description: "How long opening handshakes took, by what became of them: opened, failed, or answered as plain HTTP",
    boundaries: seconds
  }),
  receivedBytes: measure({
    name: "websocket_received_bytes_total",
    type: "counter",
    unit: "By",
    attributes: ["role"],
    description: "Bytes received behind the handshake, as they are on the wire"
  }),
  sentBytes: measure({
    name: "websocket_sent_bytes_total",
    type: "counter",
    unit: "By",
    attributes: ["role"],
    description: "Bytes sent behind the handshake, as they are on the wire"
  }),
  receivedMessages: measure({
    name: "websocket_received_messages_total",
    type: "counter",
    unit: "{message}",
    attributes: ["role", "type"],
    description: "Messages received in full, text or binary"
  }),
  sentMessages: measure({
    name: "websocket_sent_messages_total",
    type: "counter",
    unit: "{message}",
    attributes: ["role", "type"],
    description: "Messages given to the transport in full, text or binary"
  }),
  receivedControlFrames: measure({
    name: "websocket_received_control_frames_total",
    type: "counter",
    unit: "{frame}",
    attributes: ["role", "type"],
    description: "Control frames received: ping, pong or close"
  }),
  sentControlFrames: measure({
    name: "websocket_sent_control_frames_total",
    type: "counter",
    unit: "{frame}",
    attributes: ["role", "type"],
    description: "Control frames given to the transport: ping, pong or close"
  }),
  inboundBuffered: measure({
    name: "websocket_inbound_buffered_bytes",
    type: "gauge",
    unit: "By",
    attributes: ["role"],
    description: "Bytes received and not taken by the program, with those of messages that are not complete"
  }),
  outboundBuffered: measure({
    name: "websocket_outbound_buffered_bytes",
    type: "gauge",
    unit: "By",
    attributes: ["role"],
    description: "Bytes sent by the program and not yet handed to the system"
  }),
  pingRoundTrip: measure({
    name: "websocket_ping_round_trip_seconds",
    type: "histogram",
    unit: "s",
    attributes: ["role"],
    description: "Time from a ping to its pong, those of keepalive included",
    boundaries: seconds
  }),
  compressionInput: measure({
    name: "websocket_compression_input_bytes_total",
    type: "counter",
    unit: "By",
    attributes: ["role"],
    description: "Bytes of sent payload before they were compressed"
  }),
  compressionOutput: measure({
    name: "websocket_compression_output_bytes_total",
    type: "counter",
    unit: "By",
    attributes: ["role"],
    description: "The same bytes after they were compressed"
  }),
  decompressionInput: measure({
    name: "websocket_decompression_input_bytes_total",
    type: "counter",
    unit: "By",
    attributes: ["role"],
    description: "Bytes of received payload before they were decompressed"
  }),
  decompressionOutput: measure({
    name: "websocket_decompression_output_bytes_total",
    type: "counter",
    unit: "By",
    attributes: ["role"],
    description: "The same bytes after they were decompressed"
  }),
  publishedMessages: measure({
    name: "websocket_published_messages_total",
    type: "counter",
    unit: "{message}",
    attributes: ["source"],
    description: "Messages published under a topic, or broadcast to all connections of a server"
  }),
  deliveries: measure({
    name: "websocket_deliveries_total",
    type: "counter",
    unit: "{message}",
    attributes: ["source", "outcome"],
    description: "The outcome of such messages at each of their subscribers: delivered, queued, disconnected or closed"
  }),
  deliveriesDropped: measure({
    name: "websocket_deliveries_dropped_total",
    type: "counter",
    unit: "{message}",
    attributes: ["source"],
    description: "Such messages dropped for subscribers that are behind"
  }),
  subscriptionsActive: measure({
    name: "websocket_subscriptions_active",
    type: "gauge",
    unit: "{subscription}",
    attributes: [],
    description: "Subscriptions of connections to topics that there are now"
  })
}
