import * as Effect from "effect/Effect"

interface Events {
  addEventListener?: (type: "online", listener: () => void) => void
  removeEventListener: (type: "online", listener: () => void) => void
}

/** Waits until the browser says that the network is back. Never completes where there is no such event. */
export const online: Effect.Effect<void> = Effect.callback((resume) => {
  const target = globalThis as unknown as Events
  if (target.addEventListener === undefined) return
  const listener = (): void => resume(Effect.void)
  target.addEventListener("online", listener)
  return Effect.sync(() => target.removeEventListener("online", listener))
})
