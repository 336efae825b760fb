import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import type { ExtensionInstance } from "../src/Extension.ts"
import * as FrameGenerators from "../src/FrameGenerators.ts"
import * as Message from "../src/Message.ts"
import * as PreparedMessage from "../src/PreparedMessage.ts"
import type { SendOptions, Session } from "../src/Session.ts"
import type { Role } from "../src/SessionState.ts"
import { End, makeSession, roles, runs } from "./fixtures/ends.ts"
import { checksum, failing, Slow, xor } from "./fixtures/toys.ts"
import { concat, hex, noise, toHex } from "./fixtures/wire.ts"

/** Lets an extension be shared; `count` hears of each time that it encodes for many. */
const shared = (instance: ExtensionInstance, count?: () => void): ExtensionInstance => ({
  ...instance,
  shared: {
    key: instance.name,
    encode: (part) => {
      count?.()
      return instance.encode(part)
    }
  }
})

const slowly = (slow: Slow): ExtensionInstance => {
  const { encode } = slow.instance
  return { ...slow.instance, shared: { key: "slow", encode } }
}

const written = (session: Session): Uint8Array => {
  const bytes = concat(session.output.take())
  session.output.release(false)
  return bytes
}

/** Does what the owner of a session does with work that was left. */
const work = (session: Session): void => {
  session.pendingEncode?.start((failure) => {
    session.resumeSend(failure)
    work(session)
  })
}

const sets: Readonly<Record<string, () => ReadonlyArray<ExtensionInstance>>> = {
  none: () => [],
  "shared, for messages": () => [shared(xor())],
  "shared, for frames": () => [shared(checksum())],
  "two, both shared": () => [shared(xor()), shared(checksum())],
  "two, one not shared": () => [shared(xor()), checksum()],
  "not shared": () => [xor()]
}

describe("PreparedMessage", () => {
  it("is text or bytes, and owns its bytes", () => {
    const bytes = hex("010203")
    const prepared = PreparedMessage.make(bytes)
    bytes.fill(0)
    assert.deepStrictEqual(prepared.message, Message.binary(hex("010203")))
    assert.deepStrictEqual(prepared.payload, hex("010203"))
    assert.deepStrictEqual(PreparedMessage.make("é").message, Message.text("é"))
    assert.deepStrictEqual(PreparedMessage.make(Message.text("é")).payload, hex("c3a9"))
    assert.strictEqual(PreparedMessage.make(prepared), prepared)
    assert.isTrue(PreparedMessage.isPreparedMessage(prepared))
    assert.isFalse(PreparedMessage.isPreparedMessage(prepared.message))
  })

  it.prop(
    "goes over the wire as `send` would have sent it, also the second time",
    {
      data: Arbitrary.map(FrameGenerators.message, (message) => message.data),
      repeat: Arbitrary.schema(Schema.Literals([1, 40, 7000])),
      role: Arbitrary.schema(Schema.Literals(roles)),
      extensions: Arbitrary.schema(Schema.Literals(Object.keys(sets))),
      compress: Arbitrary.schema(Schema.UndefinedOr(Schema.Boolean)),
      fragmentSize: Arbitrary.schema(Schema.UndefinedOr(Schema.Literal(5000)))
    },
    ({ compress, data, extensions, fragmentSize, repeat, role }) => {
      const long =
        typeof data === "string"
          ? data.repeat(repeat)
          : concat(Array.from({ length: Math.min(repeat, 40) }, () => data))
      const options: SendOptions = { compress, fragmentSize }
      const prepared = PreparedMessage.make(long)
      for (let time = 0; time < 2; time++) {
        const [direct, many] = [0, 1].map(() => makeSession(role, { extensions: sets[extensions]!() }))
        assert.isUndefined(direct!.send(long, options))
        assert.isUndefined(many!.sendPrepared(prepared, options))
        assert.isTrue(Buffer.from(written(many!)).equals(written(direct!)))
      }
    },
    { arbitrary: { runs } }
  )

  it("is encoded once for each form, whichever connection sends it", () => {
    let count = 0
    const prepared = PreparedMessage.make("hello")
    const send = (role: Role, extensions: ReadonlyArray<ExtensionInstance>, options?: SendOptions): void => {
      const session = makeSession(role, { extensions })
      assert.isUndefined(session.sendPrepared(prepared, options))
    }
    for (let connection = 0; connection < 5; connection++) {
      send("server", [shared(xor(), () => count++)])
      send("server", [])
    }
    assert.strictEqual(count, 1)
    send("server", [shared(xor(), () => count++)], { compress: false })
    send("server", [shared(xor(), () => count++)], { compress: false })
    assert.strictEqual(count, 2)
    send("server", [shared(xor(), () => count++), shared(checksum())])
    assert.strictEqual(count, 3)
    send("client", [shared(xor(), () => count++)])
    send("server", [shared(xor(), () => count++), checksum()])
    send("server", [shared(xor(), () => count++)], { fragmentSize: 2 })
    assert.strictEqual(count, 3)
  })

  it("is copied where it is small, and handed on by reference where it is large; either way it stays as it is", () => {
    for (const length of [16 * 1024 - 4, 16 * 1024, 70_000, 1 << 20]) {
      const bytes = noise(length, length)
      const prepared = PreparedMessage.make(bytes)
      const servers = [0, 1].map(() => makeSession("server"))
      const taken = servers.map((session) => {
        session.sendPrepared(prepared)
        return session.output.take()
      })
      assert.strictEqual(taken[0]![0] === taken[1]![0], length > 16 * 1024 - 4, `${length} bytes`)
      // A client masks what it sends, and slabs are used again.
      const client = makeSession("client")
      client.sendPrepared(prepared)
      for (const session of [...servers, client]) session.output.release(true)
      for (const session of [...servers, client]) session.send("x".repeat(5000))
      const again = makeSession("server")
      again.sendPrepared(prepared)
      const direct = makeSession("server")
      direct.send(bytes)
      assert.isTrue(Buffer.from(written(again)).equals(written(direct)), `${length} bytes`)
    }
  })

  it("waits for work that is done once for all, and keeps the order of each", () => {
    const slow = new Slow()
    const prepared = PreparedMessage.make("abc")
    const ends = [0, 1, 2].map(() => new End("server", { extensions: [slowly(slow)] }))
    for (const { session } of ends) {
      session.send("before")
      session.sendPrepared(prepared)
      session.send("after")
      session.ping()
      assert.strictEqual(session.queuedBytes, 8)
    }
    for (const { session } of ends) work(session)
    const lines: Array<Array<string>> = [[], [], []]
    const look = (): void => ends.forEach((end, at) => lines[at]!.push(...end.lines()))
    look()
    // Each encodes what comes before and after for itself; the shared message is worked on once.
    for (let round = 0; slow.started.length > 0; round++) {
      const jobs = slow.started.splice(0)
      assert.strictEqual(jobs.length, [3, 1, 3][round])
      for (const finish of jobs) finish()
      look()
    }
    const [first] = lines
    assert.strictEqual(first!.length, 4)
    assert.deepStrictEqual(lines, [first, first, first])
    const direct = new End("server", { extensions: [xor()] })
    direct.session.ping()
    for (const text of ["before", "abc", "after"]) direct.session.send(text)
    assert.deepStrictEqual(first, direct.lines())

    assert.isUndefined(ends[0]!.session.pendingPrepare(prepared))
    ends[0]!.session.sendPrepared(prepared)
    assert.deepStrictEqual(ends[0]!.lines(), [first![2]])
  })

  it("can be worked on ahead of its first connection", () => {
    const slow = new Slow()
    const prepared = PreparedMessage.make("abc")
    const end = new End("server", { extensions: [slowly(slow)] })
    let done = 0
    for (let time = 0; time < 2; time++) end.session.pendingPrepare(prepared)!.start(() => done++)
    slow.started[0]!()
    assert.strictEqual(slow.started.length, 1)
    assert.strictEqual(done, 2)
    assert.isUndefined(end.session.pendingPrepare(prepared))
    end.session.sendPrepared(prepared)
    assert.isUndefined(end.session.pendingEncode)
    assert.strictEqual(end.lines().length, 1)
    assert.isUndefined(makeSession("client").pendingPrepare(PreparedMessage.make("abc")))
  })

  it("outlives the connection that asked for it first", () => {
    const slow = new Slow()
    const prepared = PreparedMessage.make("abc")
    const [gone, left] = [0, 1].map(() => new End("server", { extensions: [slowly(slow)] }))
    for (const { session } of [gone!, left!]) {
      session.sendPrepared(prepared)
      work(session)
    }
    gone!.session.abort()
    slow.started[0]!()
    assert.deepStrictEqual(gone!.lines(), [])
    assert.strictEqual(left!.lines().length, 1)
  })

  it("closes every connection with the code of an extension that cannot encode it", () => {
    const prepared = PreparedMessage.make(hex("ff"))
    for (let connection = 0; connection < 2; connection++) {
      const end = new End("server", { extensions: [shared(failing("message"))] })
      assert.strictEqual(end.session.sendPrepared(prepared)?._tag, "InternalError")
      assert.deepStrictEqual(end.lines(), ["CLOSE 1011"])
    }
  })

  it("is refused in the middle of another message, and after the close", () => {
    const prepared = PreparedMessage.make("abc")
    for (const role of roles) {
      const session = makeSession(role)
      session.sendFragment("Text", "a", false)
      const misuse = session.sendPrepared(prepared)
      assert.strictEqual(misuse?._tag === "SendError" ? misuse.rule : misuse?._tag, "InterruptedMessage")
      session.sendFragment("Text", "", true)
      session.close()
      written(session)
      assert.strictEqual(session.sendPrepared(prepared)?._tag, "NormalClosure")
      assert.strictEqual(toHex(written(session)), "")
    }
  })
})
