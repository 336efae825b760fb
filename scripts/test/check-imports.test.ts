import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { checkImports, importsOf } from "../check-imports.ts"

let root = ""

const write = (path: string, content: string | object): void => {
  const file = join(root, "packages", path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content))
}

const tsconfig = (...references: ReadonlyArray<string>): object => ({
  references: references.map((name) => ({ path: `../${name}/tsconfig.src.json` }))
})

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "check-imports-"))
  write("protocol/package.json", {
    name: "@effect-ws/protocol",
    peerDependencies: { effect: "*" },
    devDependencies: { ws: "*" }
  })
  write("protocol/tsconfig.src.json", tsconfig())
  write("protocol/tsconfig.test.json", { references: [{ path: "tsconfig.src.json" }] })
  write("protocol/src/index.ts", `export * as Frame from "./Frame.ts"\n`)
  write("protocol/src/Frame.ts", `import * as Effect from "effect/Effect"\n`)
  write("server/package.json", {
    name: "@effect-ws/server",
    dependencies: { "@effect-ws/protocol": "workspace:^" },
    peerDependencies: { effect: "*", "@effect/platform-node": "*" }
  })
  write("server/tsconfig.src.json", tsconfig("protocol"))
  write("server/src/index.ts", `import type { Frame } from "@effect-ws/protocol/Frame"\nimport "node:net"\n`)
  write("bench/package.json", {
    name: "@effect-ws/bench",
    dependencies: { ws: "*", "@effect-ws/server": "workspace:^" }
  })
  write("bench/tsconfig.json", tsconfig("server"))
  write("bench/src/main.ts", `import { WebSocket } from "ws"\nimport { x } from "@effect-ws/server"\n`)
})

afterEach(() => rmSync(root, { recursive: true, force: true }))

const problemsWith = (path: string, content: string): ReadonlyArray<string> => {
  write(path, content)
  return checkImports(root)
}

const assertProblem = (path: string, content: string, expected: RegExp): void => {
  const problems = problemsWith(path, content)
  assert.strictEqual(problems.length, 1, problems.join("\n"))
  assert.match(problems[0]!, expected)
}

describe("check-imports", () => {
  it("accepts imports that follow the arrows", () => {
    assert.deepStrictEqual(checkImports(root), [])
  })

  it("accepts this repository", () => {
    assert.deepStrictEqual(checkImports(resolve(import.meta.dirname, "../..")), [])
  })

  it("names file, line and rule of an import against the arrows", () => {
    assertProblem(
      "protocol/src/Bad.ts",
      `\nimport {\n  x\n} from "@effect-ws/server"\n`,
      /^packages\/protocol\/src\/Bad\.ts:2: imports "@effect-ws\/server": protocol may import no other package$/
    )
  })

  it("refuses an import type, an export from and a dynamic import against the arrows", () => {
    for (const source of [
      `import type { x } from "@effect-ws/server"`,
      `export * from "@effect-ws/server"`,
      `const x = () => import("@effect-ws/server")`,
      `import "@effect-ws/server"`
    ]) {
      assertProblem("protocol/src/Bad.ts", source, /protocol may import no other package/)
    }
  })

  it("refuses anything but effect in protocol", () => {
    for (const specifier of ["node:crypto", "crypto", "@effect/platform-node", "ws"]) {
      assertProblem("protocol/src/Bad.ts", `import * as x from "${specifier}"\n`, /effect/)
    }
  })

  it("refuses Node and what needs it in browser", () => {
    write("browser/package.json", { name: "@effect-ws/browser", peerDependencies: { effect: "*" } })
    write("browser/tsconfig.src.json", tsconfig())
    for (const specifier of ["node:crypto", "crypto", "@effect/platform-node"]) {
      assertProblem("browser/src/Bad.ts", `import * as x from "${specifier}"\n`, /effect/)
    }
  })

  it("refuses other packages and private packages in what is published", () => {
    assertProblem("server/src/Bad.ts", `import * as x from "ws"\n`, /effect and @effect\/platform-node/)
    assertProblem("server/src/Bad.ts", `import * as x from "@effect-ws/bench"\n`, /server may import protocol/)
  })

  it("refuses a workspace package that is not declared, or not referenced", () => {
    assertProblem("bench/src/Bad.ts", `import "@effect-ws/protocol"\n`, /not declared in packages\/bench\/package.json/)
    rmSync(join(root, "packages/bench/src/Bad.ts"))
    write("server/tsconfig.src.json", tsconfig())
    assert.match(checkImports(root).join(), /no reference to packages\/protocol/)
  })

  it("refuses a relative import that leaves the package, or names no file", () => {
    assertProblem("server/src/Bad.ts", `import "../../protocol/src/Frame.ts"\n`, /stays in its own package/)
    assertProblem("server/src/Bad.ts", `import "./Frame"\n`, /no such file/)
  })

  it("lets only the sources of published packages import what packages share", () => {
    assert.deepStrictEqual(problemsWith("server/src/A.ts", `import { x } from "@effect-ws/protocol/internal"\n`), [])
    assertProblem("bench/src/Bad.ts", `import "@effect-ws/server/internal"\n`, /only the sources of published packages/)
  })

  it("refuses a circle of imports, of types too, and names the files on it", () => {
    write("protocol/src/B.ts", `import type { C } from "./C.ts"\nexport type B = C\n`)
    assert.deepStrictEqual(
      problemsWith("protocol/src/C.ts", `import type { A } from "./A.ts"\nexport type C = A\n`).filter((line) =>
        /circle/.test(line)
      ),
      []
    )
    write("protocol/src/A.ts", `export * from "./B.ts"\nexport interface A {}\n`)
    assert.deepStrictEqual(checkImports(root), [
      "packages/protocol/src/A.ts: imports in a circle: it imports src/B.ts, which imports src/C.ts, which imports src/A.ts. Move what both need to a module"
    ])
  })

  it("refuses a circle of packages, of those for development too, and names the packages on it", () => {
    write("protocol/package.json", {
      name: "@effect-ws/protocol",
      peerDependencies: { effect: "*" },
      devDependencies: { "@effect-ws/bench": "workspace:^" }
    })
    assert.deepStrictEqual(checkImports(root), [
      "packages/bench/package.json: depends on itself through other packages: bench depends on server (dependencies), which depends on protocol (dependencies), which depends on bench (devDependencies). Move what both need, or the tests that need both"
    ])
  })

  it("reads the modules of pages, and the types that their comments import", () => {
    write("server/tsconfig.page.json", tsconfig())
    assertProblem("server/src/page/a.js", `import { x } from "./missing.js"\n`, /a\.js:1: .*no such file/)
    assertProblem("server/src/page/a.js", `/** @import { X } from "./missing.js" */\n`, /a\.js:1: .*no such file/)
    assertProblem("server/src/page/a.js", `import { x } from "@effect-ws/protocol/x.js"\n`, /no reference/)
    write("server/src/page/b.js", `/** @import { A } from "./a.js" */\nexport const b = 1\n`)
    assertProblem("server/src/page/a.js", `import { b } from "./b.js"\n`, /circle: it imports src\/page\/b\.js/)
  })

  it("refuses Node and packages from outside in the modules of pages", () => {
    for (const specifier of ["node:crypto", "crypto", "effect/Effect"]) {
      assertProblem("server/src/page/a.js", `import * as x from "${specifier}"\n`, /runs in a browser as it stands/)
    }
  })

  it("lets a test use what the package declares for development", () => {
    assert.deepStrictEqual(
      problemsWith("protocol/test/A.test.ts", `import "ws"\nimport "node:net"\nimport "../src/Frame.ts"\n`),
      []
    )
    assertProblem("protocol/test/A.test.ts", `import "@effect-ws/server"\n`, /not declared/)
  })

  it("does not take the examples of a docstring for imports", () => {
    const source = ` * import { x } from "ws"\n// import("ws")\nimport { y } from "./y.ts"\nconst s = 'import z from "z"'\n`
    assert.deepStrictEqual(importsOf(source), [{ specifier: "./y.ts", line: 3 }])
  })
})
