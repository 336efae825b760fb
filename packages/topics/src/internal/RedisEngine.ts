/**
 * The engine over Redis: appends and reads by script, each with a deadline and an honest account of its outcome.
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as Base64 from "effect/encoding/Base64"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Redis from "effect/persistence/Redis"
import type * as Scope from "effect/Scope"
import type { Position } from "../Position.ts"
import type { Appended, AppendError, RedisOptions } from "./LogTypes.ts"
import { LogUnavailable, OutcomeUnknown } from "../TopicLogError.ts"
import type { AppendRequest, Engine } from "./Engine.ts"
import type { LogState } from "./Lineage.ts"
import type { Limits } from "./LogNode.ts"
import { RedisFollower } from "./RedisFollower.ts"
import { formatId, parseId, parseSegments, toEntry } from "./RedisReplies.ts"
import * as RedisScripts from "./RedisScripts.ts"
import { command, Sessions } from "./RedisSession.ts"
import type { CommandFailure, Session, StartFailure } from "./RedisSession.ts"

/** Connects, and waits for it at most `startTimeout`. */
export const make = <E, R>(
  options: RedisOptions<E, R>,
  limits: Limits
): Effect.Effect<Engine, StartFailure<E> | LogUnavailable, R | Scope.Scope> =>
  Effect.gen(function* () {
    const commandTimeout = Argument.duration("commandTimeout", options.commandTimeout ?? "5 seconds")
    const startTimeout = Argument.duration("startTimeout", options.startTimeout ?? "10 seconds")
    const prefix = options.prefix ?? "effect-ws"
    if (/[{}]/.test(prefix)) throw new RangeError(`expected a prefix without braces, found ${JSON.stringify(prefix)}`)
    const keys = new RedisScripts.Keys(prefix, Argument.limit("shards", options.shards ?? 64, 1))
    const sessions = new Sessions(options.redis as Layer.Layer<Redis.Redis, E, R>, commandTimeout)
    const engine = new RedisEngine(sessions, keys, limits, {
      commandTimeout,
      whenUnavailable: options.whenUnavailable ?? "fail",
      liveEntries: Argument.limit("liveEntries", options.liveEntries ?? 1000, 1),
      waitReplicas: Argument.limit("waitReplicas", options.waitReplicas ?? 0)
    })
    const follower = new RedisFollower({
      keys,
      commandTimeout,
      blockTimeout: Argument.duration("blockTimeout", options.blockTimeout ?? "5 seconds"),
      readBytes: Argument.limit("readBytes", options.readBytes ?? 32 * 1024 * 1024, 1),
      maxEntryBytes: limits.maxEntryBytes,
      head: engine.head
    })
    engine.follower = follower
    const failed = Deferred.makeUnsafe<never, StartFailure<E>>()
    yield* sessions
      .run((session) => follower.run(session))
      .pipe(
        Effect.onExit((exit) => Deferred.done(failed, exit)),
        Effect.ignore,
        Effect.forkScoped({ startImmediately: true })
      )
    yield* Effect.raceFirst(sessions.ready, Deferred.await(failed)).pipe(
      Effect.timeoutOrElse({
        duration: startTimeout,
        orElse: () => Effect.fail(new LogUnavailable({ detail: "no connection to Redis within startTimeout" }))
      })
    )
    return engine
  })

interface EngineSettings {
  readonly commandTimeout: Duration.Duration
  readonly whenUnavailable: "fail" | "wait"
  readonly liveEntries: number
  readonly waitReplicas: number
}

class RedisEngine<E, R> implements Engine {
  follower!: RedisFollower
  private readonly sessions: Sessions<E, R>
  private readonly keys: RedisScripts.Keys
  private readonly limits: Limits
  private readonly settings: EngineSettings
  private readonly maxAge: number
  private readonly keep: number

  constructor(sessions: Sessions<E, R>, keys: RedisScripts.Keys, limits: Limits, settings: EngineSettings) {
    this.sessions = sessions
    this.keys = keys
    this.limits = limits
    this.settings = settings
    this.maxAge = Duration.toMillis(limits.maxAge)
    this.keep = Duration.toMillis(Duration.sum(limits.maxAge, limits.keepEmpty))
  }

  readonly append = (request: AppendRequest): Effect.Effect<Appended, AppendError> =>
    Effect.flatMap(this.session(this.settings.whenUnavailable), (session) =>
      Effect.matchEffect(this.send(session, request), {
        onSuccess: ([position, isKnown]) =>
          Effect.succeed<Appended>({ position: parseId(position), isDuplicate: isKnown === 1 }),
        onFailure: ({ _tag, detail }): Effect.Effect<never, AppendError> =>
          _tag === "Lost"
            ? Effect.fail(new OutcomeUnknown({ topic: request.topic, id: request.id, detail }))
            : Effect.fail(new LogUnavailable({ detail }))
      })
    )

  readonly read = (
    topic: string,
    after: Position,
    { bytes, entries }: { readonly entries: number; readonly bytes: number }
  ): Effect.Effect<LogState, LogUnavailable> =>
    Effect.flatMap(this.session("fail"), (session) => {
      const parameters: RedisScripts.ReadParameters = {
        keys: this.keys.topic(topic),
        maxAge: this.maxAge,
        keep: this.keep,
        from: after.epoch === 0 ? "-" : `(${formatId(after)}`,
        entries,
        bytes
      }
      const run = command(session, session.redis.eval(RedisScripts.read)(parameters), this.settings.commandTimeout)
      return Effect.mapBoth(run, {
        onFailure: ({ detail }) => new LogUnavailable({ detail }),
        onSuccess: ([head, segments, first, expired, raw]): LogState => {
          const position = parseId(head)
          return {
            head: position,
            segments: parseSegments(segments),
            first: first === "" ? position.offset + 1 : parseId(first).offset,
            expired: Number(expired),
            entries: raw.map(([id, fields]) => toEntry(topic, parseId(id), fields))
          }
        }
      })
    })

  readonly head = (topic: string): Effect.Effect<Position, LogUnavailable> =>
    Effect.map(this.read(topic, { epoch: 0, offset: 0 }, { entries: 0, bytes: 0 }), ({ head }) => head)

  readonly follow: Engine["follow"] = (sink) =>
    Effect.acquireRelease(
      Effect.suspend(() => this.follower.add(sink, this.sessions.current)),
      () => this.follower.remove(sink)
    )

  private session(whenUnavailable: "fail" | "wait"): Effect.Effect<Session, LogUnavailable> {
    return Effect.suspend(() => {
      const { current } = this.sessions
      if (current !== undefined) return Effect.succeed(current)
      if (whenUnavailable === "fail") return Effect.fail(new LogUnavailable({ detail: "not connected to Redis" }))
      return Effect.timeoutOrElse(this.sessions.ready, {
        duration: this.settings.commandTimeout,
        orElse: () => Effect.fail(new LogUnavailable({ detail: "no connection to Redis within commandTimeout" }))
      })
    })
  }

  private send(
    session: Session,
    { data, id, publisher, topic }: AppendRequest
  ): Effect.Effect<readonly [string, number], CommandFailure> {
    const { commandTimeout, liveEntries, waitReplicas } = this.settings
    const append = (redis: Pick<Redis.Connection, "eval">) =>
      redis.eval(RedisScripts.append)({
        ...this.keys.topic(topic),
        idKey: this.keys.id(topic, publisher, id),
        maxAge: this.maxAge,
        keep: this.keep,
        maxEntries: this.limits.maxEntries,
        idWindow: Duration.toMillis(this.limits.idWindow),
        liveEntries,
        topic,
        id,
        kind: typeof data === "string" ? "t" : "b",
        data: typeof data === "string" ? data : Base64.encode(data)
      })
    if (waitReplicas === 0) return command(session, append(session.redis), commandTimeout)
    // WAIT is about what its own connection wrote.
    const replicated = Effect.scoped(
      Effect.gen(function* () {
        const connection = yield* session.redis.reserve
        const appended = yield* append(connection)
        const timeout = String(Math.ceil(Duration.toMillis(commandTimeout) / 2))
        const replicas = yield* connection.send<number>("WAIT", String(waitReplicas), timeout)
        return { appended, replicas }
      })
    )
    return Effect.flatMap(command(session, replicated, commandTimeout), ({ appended, replicas }) =>
      replicas >= waitReplicas
        ? Effect.succeed(appended)
        : Effect.fail<CommandFailure>({ _tag: "Lost", detail: `only ${replicas} of ${waitReplicas} replicas have it` })
    )
  }
}
