/**
 * TLS from the first byte: a server with a certificate for each of its names, which may require client certificates,
 * and a dialer that verifies the server's certificate. For TLS on an open connection, as behind a proxy, use `upgrade`
 * of the plain socket's reader.
 *
 * Private keys and passphrases are `Redacted`, so that they do not appear in logs.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SocketServer, SocketServerError } from "effect/socket/SocketServer"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { Dialer, formatAddress, hostPort, serverName } from "./Dialer.ts"
import { defaultMaxPending } from "./internal/Acceptor.ts"
import { defaultConnectTimeout, makeNodeDialed } from "./internal/dial.ts"
import type { Http2Options } from "./Http2.ts"
import { http2Settings } from "./internal/http2Sessions.ts"
import { listening, makeNodeServer } from "./internal/nodeServer.ts"
import { duplexSettings } from "./internal/NodeDuplex.ts"
import { describe } from "./SocketFailure.ts"
import { tlsHandshakes } from "./internal/tlsHandshakes.ts"
import { makeTlsServer, pems, secrets } from "./internal/tlsServer.ts"
import type { ReplaceableTlsServer } from "./internal/tlsServer.ts"
import type { PushSocketServer } from "./PushSocketServer.ts"
import type * as Tcp from "./Tcp.ts"
import { millis } from "./internal/options.ts"
import type { Credentials, Identity, Pem } from "./internal/TlsTypes.ts"

export type { Credentials, Identity, Pem } from "./internal/TlsTypes.ts"

/**
 * Options of every TLS server.
 *
 * @category models
 * @since 0.1.0
 */
export interface SecureOptions extends Credentials {
  /** ALPN protocols, best first; a client that offers only others is rejected. Default: "http/1.1". */
  readonly alpnProtocols?: ReadonlyArray<string> | undefined
  /**
   * Whether the port accepts HTTP/2 from clients that offer it by ALPN, and how; other clients use HTTP/1.1. Adds `h2`
   * in front of `alpnProtocols`. Default: false.
   */
  readonly http2?: boolean | Http2Options | undefined
  /** Maximum time from the accept of a connection to the end of its TLS handshake. Default: 10 seconds. */
  readonly handshakeTimeout?: Duration.Input | undefined
  /** Minimum TLS version. Default: "TLSv1.2". */
  readonly minVersion?: Tls.SecureVersion | undefined
}

/**
 * Options of a TLS server.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions extends Omit<Tcp.ServerOptions, "http2">, SecureOptions {}

/**
 * Options of a TLS server on an inherited descriptor.
 *
 * @category models
 * @since 0.1.0
 */
export interface InheritedOptions extends Omit<Tcp.InheritedOptions, "http2">, SecureOptions {}

/**
 * Credentials that a server cannot use: a certificate and a key that do not belong together, a wrong passphrase, text
 * that is not PEM.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidCredentials extends Data.TaggedError("InvalidCredentials")<{
  readonly cause: unknown
}> {
  override get message(): string {
    return `invalid TLS credentials: ${describe(this.cause)}`
  }
}

/**
 * The TLS of a server that listens.
 *
 * **Details**
 *
 * {@link layerServer} provides it beside the sockets: give the same Layer to the WebSocket server and to the program
 * that renews.
 *
 * @category services
 * @since 0.1.0
 */
export class TlsServer extends Context.Service<
  TlsServer,
  {
    /**
     * Replaces certificate, key, identities by name and authorities for all handshakes from now on. Open connections
     * stay as they are. What cannot be used fails and changes nothing.
     *
     * **Details**
     *
     * `sniIdentities` takes the place of all names there were. Without `clientCa` the authorities stay. A server that
     * was made without `clientCa` requests no client certificates, and cannot be given it later. TLS sessions from
     * before cannot be resumed, so each client shows and checks a certificate again.
     */
    readonly setSecureContext: (credentials: Credentials) => Effect.Effect<void, InvalidCredentials>
  }
>()("@effect-ws/transport/Tls/TlsServer") {}

/**
 * Options of a TLS dialer.
 *
 * @category models
 * @since 0.1.0
 */
export interface DialerOptions extends Tcp.DialerOptions {
  /** Certificate authorities that the dialer trusts. Default: those of Node. */
  readonly ca?: Pem | ReadonlyArray<Pem> | undefined
  /** Certificate and key for a server that requests one. Default: none. */
  readonly identity?: Identity | undefined
  /** Server name for SNI, and the name that the certificate must match. Default: the dialled host. */
  readonly servername?: string | undefined
  /** ALPN protocols to offer, best first. Default: "http/1.1". */
  readonly alpnProtocols?: ReadonlyArray<string> | undefined
  /**
   * Whether the dialer verifies the server's certificate and its name. `false` is insecure; for tests only. Default:
   * true.
   */
  readonly rejectUnauthorized?: boolean | undefined
  /** Minimum TLS version. Default: "TLSv1.2". */
  readonly minVersion?: Tls.SecureVersion | undefined
}

/**
 * Listens with TLS on a TCP port or on an inherited descriptor.
 *
 * **Details**
 *
 * A connection is passed on after its handshake; `peerInfo` describes the result. A connection whose handshake fails or
 * times out is dropped without effect on others. An invalid certificate or key fails the Layer with a
 * `SocketServerError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer = (
  options: ServerOptions | InheritedOptions
): Layer.Layer<SocketServer | PushSocketServer | TlsServer, SocketServerError> =>
  Layer.effectContext(
    Effect.suspend(() => {
      let secure: ReplaceableTlsServer
      return makeNodeServer({
        createServer: () =>
          Net.createServer({ allowHalfOpen: false, pauseOnConnect: true, noDelay: options.noDelay ?? true }),
        makeSecure: (onDropped) => {
          secure = tlsServerOf(options)
          return tlsHandshakes(secure.server, handshakeTimeout(options), onDropped)
        },
        ...listening(options),
        maxPending: options.maxPending ?? defaultMaxPending,
        proxyProtocol: options.proxyProtocol,
        http2: hasHttp2(options) ? http2Settings(options.http2 === true ? {} : options.http2) : undefined,
        duplex: duplexSettings(options, true)
      }).pipe(
        Effect.map((services) =>
          Context.add(services, TlsServer, {
            setSecureContext: (credentials) =>
              Effect.try({
                try: () => secure.replace(credentials),
                catch: (cause) => new InvalidCredentials({ cause })
              })
          })
        )
      )
    })
  )

/**
 * Listens as {@link layerServer} does, with options from `Config`, see `Tcp.layerServerConfig`.
 *
 * **Example** (Certificate and key from the environment)
 *
 * ```ts skip-type-checking
 * Tls.layerServerConfig({
 *   port: Config.Port("PORT").pipe(Config.withDefault(8443)),
 *   cert: Config.String("TLS_CERT"),
 *   key: Config.Redacted("TLS_KEY")
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServerConfig = (
  options: Config.Wrap<ServerOptions> | Config.Wrap<InheritedOptions>
): Layer.Layer<SocketServer | PushSocketServer | TlsServer, SocketServerError | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap<ServerOptions | InheritedOptions>(options), layerServer))

/**
 * Dials with TLS, by TCP or, for a path, over a Unix socket.
 *
 * **Details**
 *
 * Acquiring the reader includes the handshake. A certificate that does not verify fails with a `SocketOpenError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDialer = (options?: DialerOptions): Layer.Layer<Dialer> =>
  Layer.succeed(Dialer, {
    dial: (address, dialOptions) =>
      Effect.succeed(
        makeNodeDialed({
          open: () => connect("path" in address ? { path: address.path } : hostPort(address), options ?? {}),
          event: "secureConnect",
          name: formatAddress(address),
          timeout: dialOptions?.connectTimeout ?? options?.connectTimeout ?? defaultConnectTimeout,
          duplex: duplexSettings(options, false)
        })
      )
  })

/**
 * Provides a TLS server and a dialer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: {
  readonly server: ServerOptions
  readonly dialer?: DialerOptions | undefined
}): Layer.Layer<SocketServer | PushSocketServer | TlsServer | Dialer, SocketServerError> =>
  Layer.merge(layerServer(options.server), layerDialer(options.dialer))

const handshakeTimeout = (options: SecureOptions): number =>
  millis("handshakeTimeout", options.handshakeTimeout ?? "10 seconds")

const hasHttp2 = <O extends SecureOptions>(options: O): options is O & { readonly http2: true | Http2Options } =>
  options.http2 !== undefined && options.http2 !== false

const tlsServerOf = (options: SecureOptions): ReplaceableTlsServer =>
  makeTlsServer(options, {
    alpnProtocols: [...(hasHttp2(options) ? ["h2"] : []), ...(options.alpnProtocols ?? ["http/1.1"])],
    handshakeTimeout: handshakeTimeout(options),
    minVersion: options.minVersion ?? "TLSv1.2"
  })

const connect = (
  target: { readonly path: string } | { readonly host: string; readonly port: number },
  options: DialerOptions
): Tls.TLSSocket => {
  const host = options.servername ?? ("host" in target ? target.host : undefined)
  const name = host === undefined ? undefined : serverName(host)
  const settings: Tls.ConnectionOptions & Net.SocketConstructorOpts = {
    ...target,
    ...(options.identity === undefined ? undefined : secrets(options.identity)),
    ...(options.ca === undefined ? undefined : { ca: pems("ca", options.ca) }),
    ...(name === undefined ? undefined : { checkServerIdentity: (_, cert) => Tls.checkServerIdentity(name, cert) }),
    // RFC 6066 3: "Literal IPv4 and IPv6 addresses are not permitted". They are checked against the certificate all the
    // same.
    ...(name === undefined || Net.isIP(name) !== 0 ? undefined : { servername: name }),
    minVersion: options.minVersion ?? "TLSv1.2",
    ALPNProtocols: [...(options.alpnProtocols ?? ["http/1.1"])],
    rejectUnauthorized: options.rejectUnauthorized ?? true,
    allowHalfOpen: true
  }
  const stream = Tls.connect(settings)
  if (options.noDelay ?? true) stream.setNoDelay(true)
  return stream
}
