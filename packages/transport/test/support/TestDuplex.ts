import { Effect } from "effect"
import type { Socket } from "effect/socket"
import { PushDuplex } from "../../src/internal/PushDuplex.ts"

/** A transport of which the test makes every move. */
export class TestDuplex extends PushDuplex {
  /** What the connection asked of the transport. */
  readonly calls: Array<string> = []
  needsDrain = false
  readonly pendingBytes = 0
  readonly retainsBuffers = false
  readonly remoteAddress = undefined
  readonly localAddress = undefined
  readonly secure = false
  readonly alpnProtocol = undefined
  readonly serverName = undefined
  readonly authorized = false
  readonly peerCertificate = undefined

  constructor() {
    super(1024)
  }

  protected startSource(): void {}
  protected stopSource(): void {}
  protected put(): boolean {
    this.needsDrain = true
    return false
  }
  protected putEnd(): void {}
  protected abort(): void {
    this.calls.push("abort")
  }
  protected finish(): void {
    this.calls.push("finish")
  }
  protected startTls(): Effect.Effect<void, Socket.SocketError> {
    return Effect.die("no TLS here")
  }
  cork(): void {}
  uncork(): void {}

  /** Everything that was written has left. */
  drain(): void {
    this.needsDrain = false
    this.drained()
  }
  /** The transport is closed. */
  end(): void {
    this.closed(undefined)
  }
}
