/**
 * Runs message parts through the transforms of extensions, of which some finish in a later turn and some may throw.
 */
import * as CloseError from "../CloseError.ts"
import type * as Extension from "../Extension.ts"

/**
 * Runs a part through transforms in order. Yields each transform that does not finish in this turn.
 */
export function* transform(
  part: Extension.MessagePart,
  transforms: ReadonlyArray<Extension.Transform>
): Generator<
  Extension.AsyncTransform,
  CloseError.SendableCloseError | undefined,
  CloseError.SendableCloseError | undefined
> {
  for (const apply of transforms) {
    const outcome = attempt(apply, part)
    if (outcome === undefined) continue
    const failure = outcome._tag === "Pending" ? yield once(outcome) : outcome
    if (failure !== undefined) return failure
  }
  return undefined
}

// An extension that throws fails its own connection. The exception must not reach code that other connections share,
// such as the loop that writes for all of them.
const attempt = (apply: Extension.Transform, part: Extension.MessagePart): ReturnType<Extension.Transform> => {
  try {
    return apply(part)
  } catch (defect) {
    return broken(defect)
  }
}

// The close frame says nothing about the defect. The owner of the session finds it as `cause` of the close error.
const broken = (defect: unknown): CloseError.SendableCloseError => {
  const error = new CloseError.InternalError()
  Object.defineProperty(error, "cause", { value: defect })
  return error
}

/**
 * Wraps a pending transform so that `start` runs at most once. A send that finds an earlier message still pending
 * starts the same transform again, which does nothing.
 */
export const once = (pending: Extension.AsyncTransform): Extension.AsyncTransform => {
  let isStarted = false
  return {
    _tag: "Pending",
    start: (done) => {
      if (isStarted) return
      isStarted = true
      try {
        pending.start(done)
      } catch (defect) {
        done(broken(defect))
      }
    }
  }
}
