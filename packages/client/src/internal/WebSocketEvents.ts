/**
 * Events of the standard's `WebSocket`, and its event handler attributes.
 */
import { isObject } from "./WebSocketArguments.ts"

/** Event names. */
export type EventName = "open" | "message" | "error" | "close"

interface CloseInit {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
}

// These two are globals in Node from version 23 on.
class OwnCloseEvent extends Event {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
  constructor(type: string, init: CloseInit) {
    super(type)
    this.code = init.code
    this.reason = init.reason
    this.wasClean = init.wasClean
  }
}

class OwnErrorEvent extends Event {
  readonly message: string
  readonly error: unknown
  constructor(type: string, init: { readonly message: string; readonly error: unknown }) {
    super(type)
    this.message = init.message
    this.error = init.error
  }
}

export const closeEvent = (init: CloseInit): Event =>
  typeof CloseEvent === "undefined" ? new OwnCloseEvent("close", init) : new CloseEvent("close", init)

/**
 * Deviation: the standard fires an `Event` without details, so that a page cannot probe the network of its visitor.
 * There is no visitor here, so this is an `ErrorEvent` with a message, as in Node.
 */
export const errorEvent = (error: Error): Event => {
  const init = { message: error.message, error }
  return typeof ErrorEvent === "undefined" ? new OwnErrorEvent("error", init) : new ErrorEvent("error", init)
}

/**
 * A `MessageEvent` without the platform's constructor, which converts and checks its arguments by Web IDL: that costs
 * five times what the event does, and here the arguments are known. Scripts see no difference, see below.
 */
class OwnMessageEvent extends Event {
  readonly #data: unknown
  readonly #origin: string
  constructor(data: unknown, origin: string) {
    super("message")
    this.#data = data
    this.#origin = origin
  }
  get data(): unknown {
    return this.#data
  }
  get origin(): string {
    return this.#origin
  }
  get lastEventId(): string {
    return ""
  }
  get source(): null {
    return null
  }
  get ports(): ReadonlyArray<never> {
    return noPorts
  }
}

const noPorts: ReadonlyArray<never> = Object.freeze([])

// `instanceof`, `constructor`, `Object.prototype.toString` and `for in` say MessageEvent.
Reflect.deleteProperty(OwnMessageEvent.prototype, "constructor")
for (const name of ["data", "origin", "lastEventId", "source", "ports"]) {
  Object.defineProperty(OwnMessageEvent.prototype, name, { enumerable: true })
}
Object.setPrototypeOf(OwnMessageEvent.prototype, MessageEvent.prototype)

export const messageEvent = (data: unknown, origin: string): Event => new OwnMessageEvent(data, origin)

interface Handler {
  value: object
  readonly listener: (event: Event) => void
}

/** The attributes `onopen`, `onmessage`, `onerror` and `onclose` of one object. */
export class Handlers {
  private readonly handlers = new Map<EventName, Handler>()
  private readonly target: EventTarget

  constructor(target: EventTarget) {
    this.target = target
  }

  get(name: EventName): object | null {
    return this.handlers.get(name)?.value ?? null
  }

  /** A handler that replaces another keeps its position among the listeners; null removes it. */
  set(name: EventName, value: unknown): void {
    const handler = this.handlers.get(name)
    if (!isObject(value)) {
      if (handler !== undefined) this.target.removeEventListener(name, handler.listener)
      this.handlers.delete(name)
    } else if (handler !== undefined) {
      handler.value = value
    } else {
      const added: Handler = {
        value,
        listener: (event) => {
          if (typeof added.value === "function") added.value.call(this.target, event)
        }
      }
      this.handlers.set(name, added)
      this.target.addEventListener(name, added.listener)
    }
  }
}
