/**
 * Several processes on one port, and a restart that no client notices: a supervisor holds the listening socket, workers
 * serve it, and one that dies is replaced.
 *
 * - SIGHUP restarts: new workers are started first; when all of them listen, the old ones drain. They stop accepting,
 *   answer what they have received, and close with 1012, which tells clients to come back. Where a new worker does not
 *   start, the restart ends and the old ones stay.
 * - SIGTERM and SIGINT stop: each worker drains, and closes with 1001.
 *
 * `node packages/examples/src/workers.ts` runs it; `PORT`, `WORKERS` and `DRAIN` (a duration) say how.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Console, Data, Deferred, Duration, Effect, Exit, Layer, Queue, Schedule, Scope } from "effect"
import { Tcp, WebSocketServer } from "effect-ws"
import type { CloseError, Handlers } from "effect-ws"
import type * as SendError from "effect-ws/SendError"
import cluster from "node:cluster"
import { availableParallelism } from "node:os"

const settings = Config.all({
  port: Config.Int("PORT").pipe(Config.withDefault(8000)),
  workers: Config.Int("WORKERS").pipe(Config.withDefault(availableParallelism())),
  drain: Config.Duration("DRAIN").pipe(Config.withDefault(Duration.seconds(10)))
})

// -- a worker ---------------------------------------------------------------------------------------------------------

let accepted = 0

const handlers: Handlers.Handlers<CloseError.CloseError | SendError.SendError> = {
  onMessage: (connection, message) => {
    accepted++
    return connection.send(message)
  }
}

const restartAsked = Effect.callback<void>((resume) => {
  process.once("message", () => resume(Effect.void))
})

/** Serves until the supervisor asks for a drain, or a signal does. */
const work = Effect.gen(function* () {
  const { drain, port } = yield* settings
  const Server = WebSocketServer.layerQueue(handlers, {
    drainTimeout: drain,
    // Clients that connect during the drain go to the other workers.
    newConnectionsWhileDraining: "stopListening"
  }).pipe(Layer.provide(Tcp.layerServer({ port })))
  yield* Effect.gen(function* () {
    const server = yield* WebSocketServer.WebSocketServer
    yield* restartAsked
    yield* server.drain({ code: 1012, reason: "restarting" })
  }).pipe(Effect.provide(Server))
}).pipe(
  Effect.ensuring(Effect.suspend(() => Console.log(`worker ${process.pid} answered ${accepted} messages`))),
  // What is left that keeps the process alive is the channel to the supervisor.
  Effect.ensuring(Effect.sync(() => cluster.worker?.disconnect()))
)

// -- the supervisor ---------------------------------------------------------------------------------------------------

class NotStarted extends Data.TaggedError("NotStarted")<{ readonly pid: number; readonly why: string }> {
  override get message(): string {
    return `worker ${this.pid} did not start: ${this.why}`
  }
}

const startTimeout = Duration.seconds(30)
// A worker that has not gone by its own deadline gets this much more.
const patience = Duration.seconds(5)
const backoff = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")])

class Process {
  private readonly worker = cluster.fork()
  private readonly port = Deferred.makeUnsafe<number, NotStarted>()
  private readonly exit = Deferred.makeUnsafe<string>()
  readonly pid = this.worker.process.pid!

  constructor() {
    this.worker.once("listening", (address) => Deferred.doneUnsafe(this.port, Effect.succeed(address.port)))
    this.worker.once("exit", (code, signal) => {
      const how = signal === null ? `it ended with code ${code}` : `it was killed by ${signal}`
      Deferred.doneUnsafe(this.port, Effect.fail(new NotStarted({ pid: this.pid, why: how })))
      Deferred.doneUnsafe(this.exit, Effect.succeed(how))
    })
  }

  /** Waits until it listens. */
  readonly listening: Effect.Effect<number, NotStarted> = Deferred.await(this.port).pipe(
    Effect.timeoutOrElse({
      duration: startTimeout,
      orElse: () => Effect.fail(new NotStarted({ pid: this.pid, why: "it does not listen" }))
    })
  )

  readonly exited: Effect.Effect<string> = Deferred.await(this.exit)

  /** Asks it to drain, and waits until it has gone. */
  end(how: "restart" | "stop", drain: Duration.Duration): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (how === "restart" && this.worker.isConnected()) this.worker.send("restart")
      else this.worker.process.kill("SIGTERM")
      return this.exited
    }).pipe(Effect.timeoutOption(Duration.sum(drain, patience)), Effect.andThen(this.kill))
  }

  readonly kill: Effect.Effect<void> = Effect.sync(() => void this.worker.process.kill("SIGKILL"))
}

/** Workers of one version of the program. They are replaced when they die, until they are to end. */
const startGeneration = Effect.fnUntraced(function* (count: number, drain: Duration.Duration) {
  const processes = new Set<Process>()
  let ending = false

  const launch = Effect.suspend(() => {
    const process = new Process()
    processes.add(process)
    const failed = Effect.andThen(
      process.kill,
      Effect.sync(() => processes.delete(process))
    )
    return Effect.as(process.listening, process).pipe(Effect.onError(() => failed))
  })
  const end = (how: "restart" | "stop"): Effect.Effect<void> =>
    Effect.suspend(() => {
      ending = true
      return Effect.forEach(processes, (process) => process.end(how, drain), {
        concurrency: "unbounded",
        discard: true
      })
    })
  const keep = (process: Process): Effect.Effect<void> =>
    Effect.flatMap(process.exited, (how) => {
      processes.delete(process)
      if (ending) return Effect.void
      return Effect.logWarning(`Worker ${process.pid} is replaced: ${how}`).pipe(
        Effect.andThen(Effect.retry(launch, backoff)),
        Effect.orDie,
        Effect.flatMap(keep)
      )
    })

  yield* Effect.addFinalizer(() => end("stop"))
  const first = yield* Effect.forEach(Array.from({ length: count }), () => launch, { concurrency: "unbounded" })
  yield* Effect.forkScoped(Effect.forEach(first, keep, { concurrency: "unbounded", discard: true }))
  return { port: yield* first[0]!.listening, retire: end("restart") }
})

const hangups = Effect.gen(function* () {
  const queue = yield* Queue.sliding<void>(1)
  const onHangup = (): void => void Queue.offerUnsafe(queue, undefined)
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("SIGHUP", onHangup)),
    () => Effect.sync(() => process.off("SIGHUP", onHangup))
  )
  return queue
})

/** Starts the workers, and restarts them as often as it is asked to. */
const supervise = Effect.gen(function* () {
  const { drain, workers } = yield* settings
  const restarts = yield* hangups
  const scope = yield* Effect.scope
  const start = Effect.gen(function* () {
    const own = yield* Scope.fork(scope)
    const generation = yield* startGeneration(workers, drain).pipe(
      Scope.provide(own),
      Effect.onError((cause) => Scope.close(own, Exit.failCause(cause)))
    )
    return { ...generation, retire: Effect.andThen(generation.retire, Scope.close(own, Exit.void)) }
  })

  let current = yield* start
  yield* Console.log(`listening on ws://127.0.0.1:${current.port}`)
  while (true) {
    yield* Queue.take(restarts)
    const next = yield* Effect.result(start)
    if (next._tag === "Failure") {
      yield* Effect.logError(`The restart has failed: ${next.failure.message}`)
      continue
    }
    yield* current.retire
    current = next.success
    yield* Console.log(`restarted with ${workers} workers on port ${current.port}`)
  }
})

const main = Effect.suspend((): Effect.Effect<void, unknown> => (cluster.isPrimary ? Effect.scoped(supervise) : work))

if (import.meta.main) {
  NodeRuntime.runMain(main, {
    // To be told to stop is no failure.
    teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) || Exit.hasInterrupts(exit) ? 0 : 1)
  })
}
