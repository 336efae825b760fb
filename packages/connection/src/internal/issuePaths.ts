/**
 * Where a Schema refuses a value, without saying anything of the value: the keys that the peer chose, such as those of
 * a record, are the peer's data too.
 */
import type * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"

/** The property names that a Schema itself spells out, at any depth. */
export const knownKeys = (root: SchemaAST.AST): ReadonlySet<PropertyKey> => {
  const keys = new Set<PropertyKey>()
  const visited = new Set<SchemaAST.AST>()
  const pending = [root]
  for (let ast = pending.pop(); ast !== undefined; ast = pending.pop()) {
    if (visited.has(ast)) continue
    visited.add(ast)
    for (const { to } of ast.encoding ?? []) pending.push(to)
    switch (ast._tag) {
      case "Objects":
        for (const { name, type } of ast.propertySignatures) {
          keys.add(name)
          pending.push(type)
        }
        for (const { type } of ast.indexSignatures) pending.push(type)
        break
      case "Arrays":
        pending.push(...ast.elements, ...ast.rest)
        break
      case "Union":
        pending.push(...ast.types)
        break
      case "Suspend":
        pending.push(ast.thunk())
        break
      case "Declaration":
        pending.push(...ast.typeParameters)
        break
      default:
    }
  }
  return keys
}

// More says nothing more: a close reason has room for a few.
const maxPaths = 16

/** The paths at which an issue is, each once. */
export const pathsOf = (issue: SchemaIssue.Issue, keys: ReadonlySet<PropertyKey>): ReadonlyArray<string> => {
  const paths = new Set<string>()
  const visit = (issue: SchemaIssue.Issue, path: string): void => {
    if (paths.size >= maxPaths) return
    switch (issue._tag) {
      case "Pointer":
        return visit(
          issue.issue,
          issue.path.reduce<string>((path, key) => path + segment(key, keys, path === ""), path)
        )
      case "Composite":
        return issue.issues.forEach((issue) => visit(issue, path))
      case "AnyOf":
        if (issue.issues.length > 0) return issue.issues.forEach((issue) => visit(issue, path))
        break
      case "Encoding":
      case "Filter":
        return visit(issue.issue, path)
      default:
    }
    if (path !== "") paths.add(path)
  }
  visit(issue, "")
  return [...paths]
}

const segment = (key: PropertyKey, keys: ReadonlySet<PropertyKey>, isFirst: boolean): string => {
  if (typeof key === "number") return `[${key}]`
  if (typeof key === "symbol" || !keys.has(key)) return "[*]"
  return isFirst ? key : `.${key}`
}
