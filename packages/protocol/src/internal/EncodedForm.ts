/**
 * One encoded form of a prepared message, which connections with the same extensions share.
 */
import type * as CloseError from "../CloseError.ts"
import type * as Extension from "../Extension.ts"

/** A whole frame, or the error of a transform. */
export type Outcome = Uint8Array | CloseError.SendableCloseError

type Done = (failure?: CloseError.SendableCloseError) => void

/**
 * One encoded form of a prepared message: a whole frame once its transforms are done, or the failure.
 */
export class EncodedForm {
  bytes: Uint8Array | undefined
  failure: CloseError.SendableCloseError | undefined = undefined
  /** The pending transform. Any number of connections may start it; each `done` is called. */
  pending: Extension.AsyncTransform | undefined = undefined
  private waiting: Array<Done> = []

  constructor(bytes: Uint8Array | undefined) {
    this.bytes = bytes
  }

  run(
    work: Generator<Extension.AsyncTransform, Outcome, CloseError.SendableCloseError | undefined>,
    failed?: CloseError.SendableCloseError
  ): void {
    const step = work.next(failed)
    if (step.done !== true) {
      const { value } = step
      const goOn: Done = (failure) => this.run(work, failure)
      // Callers that wait already wait for all transforms.
      if (this.pending !== undefined) return value.start(goOn)
      this.pending = {
        _tag: "Pending",
        start: (done) => {
          this.waiting.push(done)
          value.start(goOn)
        }
      }
      return
    }
    if (step.value instanceof Uint8Array) this.bytes = step.value
    else this.failure = step.value
    this.pending = undefined
    const waiting = this.waiting
    this.waiting = []
    for (const done of waiting) done(this.failure)
  }
}
