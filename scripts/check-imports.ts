/**
 * Proves that imports only follow the arrows of the architecture, so that a layer can be used, tested and understood
 * without the layers above it:
 *
 * ```
 * protocol <- extensions <- connection <- server, client <- topics <- effect-ws
 *                           transport <- connection          client <- browser <- topics
 *                                                            server <- inspector <- effect-ws
 * ```
 *
 * `protocol` and `browser` import nothing of Node; `protocol` imports nothing but `effect`; no published package
 * imports anything but `effect`, `@effect/platform-node`, Node itself and the packages below it; and whatever workspace
 * package a file imports is declared in its package.json and its tsconfig references. Private packages may import any
 * package they declare. A page's script runs in a browser as it stands, so it imports nothing from outside.
 *
 * What packages share among themselves stands under `PACKAGE/internal`. Only the sources of published packages import
 * it. No files import each other in a circle, types included, and no packages depend on each other in one, dependencies
 * for development included.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { builtinModules } from "node:module"
import { dirname, join, relative, resolve, sep } from "node:path"
import { importCircles } from "./import-circles.ts"

/** The published packages by folder, each with those below it. */
const below: Readonly<Record<string, ReadonlyArray<string>>> = {
  protocol: [],
  extensions: ["protocol"],
  transport: [],
  testing: ["protocol", "transport"],
  connection: ["protocol", "extensions", "transport"],
  server: ["protocol", "extensions", "transport", "connection"],
  client: ["protocol", "extensions", "transport", "connection"],
  topics: ["protocol", "extensions", "transport", "connection", "server", "client", "browser"],
  browser: ["protocol", "transport", "connection", "client"],
  inspector: ["protocol", "transport", "connection", "server"],
  "effect-ws": [
    "protocol",
    "extensions",
    "transport",
    "connection",
    "server",
    "client",
    "topics",
    "browser",
    "inspector"
  ]
}

/** Those that run in a browser. */
const withoutNode: ReadonlyArray<string> = ["protocol", "browser"]

/** Internal modules that a package shares with others, each by name; no other package may import them. */
const shared: Readonly<Record<string, ReadonlyArray<string>>> = {
  "@effect-ws/connection/internal/preparedAs": ["server", "topics"],
  "@effect-ws/server/internal/publishing": ["topics"]
}

interface Workspace {
  readonly folder: string
  readonly manifest: Manifest
}

interface Manifest {
  readonly name: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

interface Import {
  readonly specifier: string
  readonly line: number
}

/**
 * Returns one line for each import under `root/packages` that points the wrong way, is not declared, or closes a circle,
 * and one for each circle of packages.
 */
export const checkImports = (root: string): ReadonlyArray<string> => {
  const packages = join(root, "packages")
  const workspaces = readdirSync(packages)
    .filter((folder) => existsSync(join(packages, folder, "package.json")))
    .map((folder): Workspace => ({ folder, manifest: readJson<Manifest>(join(packages, folder, "package.json")) }))
  const folders = new Map(workspaces.map(({ folder, manifest }) => [manifest.name, folder]))

  const problems: Array<string> = [...checkDependencies(workspaces, folders)]
  for (const { folder, manifest } of workspaces) {
    const directory = join(packages, folder)
    for (const part of readdirSync(directory, { withFileTypes: true })) {
      if (!part.isDirectory() || ["node_modules", "dist", "build", "reports", ".venv"].includes(part.name)) continue
      const isSource = part.name === "src"
      const references = readReferences(directory, isSource ? "tsconfig.src.json" : "tsconfig.test.json", packages)
      const pageReferences = readReferences(directory, "tsconfig.page.json", packages)
      const relatives = new Map<string, Array<string>>()
      for (const file of moduleFiles(join(directory, part.name))) {
        const isPage = isSource && file.endsWith(".js")
        relatives.set(file, [])
        for (const { line, specifier } of importsOf(readFileSync(file, "utf8"))) {
          if (specifier.startsWith(".")) relatives.get(file)!.push(resolve(dirname(file), specifier))
          const problem = specifier.startsWith(".")
            ? checkRelative(file, specifier, join(directory, isSource ? "src" : ""))
            : ((isPage ? checkPage(specifier, folders) : undefined) ??
              checkPackage(folder, manifest, isSource, specifier, folders, isPage ? pageReferences : references))
          if (problem !== undefined) {
            problems.push(`${relative(root, file)}:${line}: imports "${specifier}": ${problem}`)
          }
        }
      }
      for (const [first, ...others] of importCircles(relatives)) {
        const names = others.map((file) => relative(directory, file)).join(", which imports ")
        problems.push(
          `${relative(root, first!)}: imports in a circle: it imports ${names}. Move what both need to a module`
        )
      }
    }
  }
  return problems
}

const checkDependencies = (
  workspaces: ReadonlyArray<Workspace>,
  folders: ReadonlyMap<string, string>
): ReadonlyArray<string> => {
  const kinds = ["dependencies", "peerDependencies", "devDependencies"] as const
  const manifests = new Map(workspaces.map(({ folder, manifest }) => [folder, manifest]))
  const dependencies = new Map(
    workspaces.map(({ folder, manifest }) => {
      const names = kinds.flatMap((kind) => Object.keys(manifest[kind] ?? {}))
      return [folder, names.flatMap((name) => folders.get(name) ?? [])] as const
    })
  )
  return importCircles(dependencies).map((circle) => {
    const [first, ...others] = circle
    const steps = others.map((folder, at) => {
      const [from, to] = [manifests.get(circle[at]!)!, manifests.get(folder)!]
      const kind = kinds.find((kind) => to.name in (from[kind] ?? {}))
      return `${folder} (${kind})`
    })
    return (
      `packages/${first}/package.json: depends on itself through other packages: ${first} depends on ` +
      `${steps.join(", which depends on ")}. Move what both need, or the tests that need both`
    )
  })
}

const checkRelative = (file: string, specifier: string, home: string): string | undefined => {
  const target = resolve(dirname(file), specifier)
  if (!target.startsWith(home + sep)) return "a relative import stays in its own package, and one of src in src"
  if (!existsSync(target)) return "there is no such file; relative imports name the file, with its ending"
  return undefined
}

const checkPage = (specifier: string, folders: ReadonlyMap<string, string>): string | undefined =>
  folders.has(packageName(specifier))
    ? undefined
    : "a page's script runs in a browser as it stands, so it imports nothing from outside"

const checkPackage = (
  folder: string,
  manifest: Manifest,
  isSource: boolean,
  specifier: string,
  folders: ReadonlyMap<string, string>,
  references: ReadonlySet<string>
): string | undefined => {
  const allowed = below[folder]
  const isPublishedSource = allowed !== undefined && isSource
  if (specifier.startsWith("node:") || builtinModules.includes(specifier)) {
    return isPublishedSource && withoutNode.includes(folder)
      ? `${folder} imports nothing of Node, and from outside nothing but effect`
      : undefined
  }

  const name = packageName(specifier)
  const target = folders.get(name)
  if (target !== undefined && specifier === `${name}/internal` && (allowed === undefined || !isSource)) {
    return "only the sources of published packages may import what packages share among themselves"
  }
  if (target !== undefined && specifier.includes("/internal/") && shared[specifier]?.includes(folder) !== true) {
    return `it is internal to packages/${target}`
  }
  if (isPublishedSource) {
    if (target === undefined) {
      const outside = withoutNode.includes(folder) ? ["effect"] : ["effect", "@effect/platform-node"]
      if (!outside.includes(name)) return `${folder} may import ${outside.join(" and ")} from outside, nothing else`
    } else if (!allowed.includes(target)) {
      return `${folder} may import ${allowed.length === 0 ? "no other package" : allowed.join(", ")}`
    }
  }

  const declared = isPublishedSource
    ? { ...manifest.dependencies, ...manifest.peerDependencies }
    : { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.devDependencies }
  if (name !== manifest.name && !(name in declared)) return `${name} is not declared in packages/${folder}/package.json`
  if (target !== undefined && (name !== manifest.name || !isSource) && !references.has(target)) {
    return `the tsconfig of this file has no reference to packages/${target}`
  }
  return undefined
}

const packageName = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

/** The packages that a tsconfig refers to; a package with one tsconfig for everything has it under the plain name. */
const readReferences = (directory: string, tsconfig: string, packages: string): ReadonlySet<string> => {
  const file = [tsconfig, "tsconfig.json"].map((name) => join(directory, name)).find((path) => existsSync(path))
  if (file === undefined) return new Set()
  const { references = [] } = readJson<{ readonly references?: ReadonlyArray<{ readonly path: string }> }>(file)
  return new Set(references.map(({ path }) => relative(packages, resolve(directory, path)).split(sep)[0]!))
}

const readJson = <A>(file: string): A => JSON.parse(readFileSync(file, "utf8")) as A

const moduleFiles = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.[jt]s$/.test(name) && !name.split(sep).includes("node_modules"))
    .map((name) => join(directory, name))

/** Import declarations stand at the start of a line, which those in a docstring's example do not. */
const declaration = /^(?:import|export)\s(?:[^"'`;]*?\sfrom\s+)?["']([^"'\n]+)["']/gm
/** The types that a script of a page imports in a comment. */
const typesInComment = /^(?:\/\*\*| \*) @import\s[^"'`;]*?\sfrom\s+["']([^"'\n]+)["']/gm
const dynamic = /^(?!\s*(?:\*|\/\/)).*\bimport\(\s*["']([^"'\n]+)["']\s*\)/gm

export const importsOf = (source: string): ReadonlyArray<Import> =>
  [declaration, typesInComment, dynamic]
    .flatMap((pattern) => [...source.matchAll(pattern)])
    .map((match) => ({ specifier: match[1]!, line: source.slice(0, match.index).split("\n").length }))
    .toSorted((a, b) => a.line - b.line)

if (import.meta.main) {
  const problems = checkImports(resolve(import.meta.dirname, ".."))
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  process.stdout.write(
    problems.length === 0 ? "imports follow the architecture\n" : `${problems.length} imports do not\n`
  )
  process.exitCode = problems.length === 0 ? 0 : 1
}
