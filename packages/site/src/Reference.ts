/**
 * The API reference: a page of Markdown for each public module, made by TypeDoc from the docstrings. A link in a
 * docstring that leads nowhere fails the build.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { Application, Converter, ReflectionKind } from "typedoc"
import ts from "typescript"
import type { Context, DeclarationReflection, TypeDocOptions } from "typedoc"
import type { PluginOptions } from "typedoc-plugin-markdown"
import { packages, repository, site } from "./Places.ts"

/** A public module, such as `HeadParser`, which is in `src/http/HeadParser.ts`. */
export interface Module {
  readonly name: string
  readonly file: string
}

/** A published package. */
export interface Package {
  readonly name: string
  /** Such as `connection`, in `packages` and in the site's `api`. */
  readonly folder: string
  readonly description: string
  readonly modules: ReadonlyArray<Module>
}

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly description: string
}

/**
 * Reads which packages and modules there are. `effect-ws` itself has none of its own: it exports those of the others.
 */
export const readPackages = (): ReadonlyArray<Package> =>
  readdirSync(packages)
    .filter((folder) => existsSync(join(packages, folder, "package.json")) && folder !== "effect-ws")
    .flatMap((folder) => {
      const { description, name, private: hidden } = readManifest(folder)
      return hidden === true ? [] : [{ name, folder, description, modules: readModules(join(packages, folder, "src")) }]
    })

const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(packages, folder, "package.json"), "utf8")) as Manifest

const readModules = (sources: string): ReadonlyArray<Module> =>
  readdirSync(sources, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && file !== "index.ts" && !file.startsWith("internal/"))
    .map((file) => ({ name: basename(file, ".ts"), file: join(sources, file) }))
    .sort((one, other) => one.name.localeCompare(other.name))

/** Names a module after its package, such as `connection/Accept`, which is its address on the site as well. */
const nameModules = (app: Application): void =>
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_: Context, reflection: DeclarationReflection) => {
    if (reflection.kindOf(ReflectionKind.Module)) {
      reflection.name = reflection.name.replace(/\/src\/(?:.*\/)?/, "/")
    }
  })

/** Tells TypeDoc that the comment a module of ours opens with is about the module: it wants a tag for that. */
const markModuleComments = (): void => {
  const readFile = ts.sys.readFile
  ts.sys.readFile = (path, encoding) => {
    const text = readFile(path, encoding)
    return path.startsWith(packages) ? text?.replace(/^\/\*\*/, "/** @packageDocumentation") : text
  }
}

/** Leaves out where each property of a type is defined, and from what it was inherited: the type itself says so. */
const omitOrigins = (app: Application): void =>
  app.converter.on(
    Converter.EVENT_RESOLVE_END,
    ({ project }: Context) => {
      const kinds = ReflectionKind.Property | ReflectionKind.Method | ReflectionKind.Accessor
      for (const reflection of project.getReflectionsByKind(kinds)) {
        const member = reflection as DeclarationReflection
        for (const each of [member, ...(member.signatures ?? [])]) {
          delete each.sources
          delete each.inheritedFrom
          delete each.overwrites
        }
      }
    },
    -1_000_000
  )

const umbrella = join(packages, "effect-ws/src")

const exportedTogether: ReadonlyArray<string> = [
  ...readFileSync(join(umbrella, "index.ts"), "utf8").matchAll(/^export \* as (\w+)/gm)
].map(([, name]) => name!)

/** Shows how to import a module: with others from `effect-ws`, alone from there, or from its package. */
const importsOf = ({ folder, name: from }: Package, name: string): string => {
  const own = `import * as ${name} from "${from}/${name}"`
  const ways =
    folder === "browser"
      ? [`import { ${name} } from "effect-ws/browser"`, own]
      : exportedTogether.includes(name)
        ? [`import { ${name} } from "effect-ws"`, own]
        : existsSync(join(umbrella, `modules/${name}.ts`))
          ? [`import * as ${name} from "effect-ws/${name}"`, own]
          : [own]
  return ["```ts", ways.join("\n// or\n"), "```"].join("\n")
}

/** The first sentence of a page, behind its heading. */
const summaryOf = (page: string): string =>
  /^# .*\n+(?!#|```|Defined)([^]*?[.:])(?:\s|$)/.exec(page)?.[1]?.replaceAll("\n", " ") ?? ""

/** Adds the imports to each page, and writes the index of all. */
const finish = (folder: string): void => {
  const index = [
    "# API reference",
    "Generated from the docstrings. `effect-ws` exports the modules that most programs use, and `effect-ws/NAME` is any module of the packages that it depends on; the others are imported from their own packages."
  ]
  for (const from of readPackages()) {
    index.push(`## ${from.name}`, `${from.description}.`, "| module | |\n| --- | --- |")
    for (const { name } of from.modules) {
      const path = join(folder, from.folder, `${name}.md`)
      const page = readFileSync(path, "utf8")
      const summary = summaryOf(page)
        .replace(/:$/, ".")
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .replaceAll("|", "\\|")
      index[index.length - 1] += `\n| [${name}](${from.folder}/${name}.md) | ${summary} |`
      writeFileSync(path, page.replace(/^# .*\n/, `# ${name}\n\n${importsOf(from, name)}\n`))
    }
  }
  writeFileSync(join(folder, "index.md"), `${index.join("\n\n")}\n`)
}

/** Writes the reference into a folder. */
export const writeReference = async (folder: string): Promise<void> => {
  const options: TypeDocOptions & Partial<PluginOptions> = {
    entryPoints: readPackages().flatMap(({ modules }) => modules.map(({ file }) => file)),
    tsconfig: join(site, "tsconfig.reference.json"),
    basePath: packages,
    // TypeDoc empties this folder first.
    out: folder,
    plugin: ["typedoc-plugin-markdown"],
    readme: "none",
    excludeInternal: true,
    excludePrivate: true,
    excludeExternals: true,
    disableSources: false,
    disableGit: true,
    sourceLinkTemplate: `${repository}/blob/main/packages/{path}#L{line}`,
    excludeTags: ["@since"],
    validation: { invalidLink: true, notExported: false, notDocumented: false },
    logLevel: "Warn",
    treatWarningsAsErrors: true,
    fileExtension: ".md",
    outputFileStrategy: "modules",
    hidePageHeader: true,
    hideBreadcrumbs: true,
    hidePageTitle: false,
    useCodeBlocks: true,
    entryFileName: "index",
    interfacePropertiesFormat: "list",
    classPropertiesFormat: "list",
    parametersFormat: "table",
    typeDeclarationFormat: "list",
    sanitizeComments: true,
    pageTitleTemplates: { module: "{name}" }
  }
  markModuleComments()
  const app = await Application.bootstrapWithPlugins(options as TypeDocOptions)
  nameModules(app)
  omitOrigins(app)
  const project = await app.convert()
  if (project !== undefined) {
    app.validate(project)
    await app.generateOutputs(project)
  }
  if (project === undefined || app.logger.hasErrors() || app.logger.hasWarnings()) {
    throw new Error("the API reference has errors, see above")
  }
  finish(folder)
}
