/**
 * Finds import circles: files that import each other, directly or through others. An import of types counts too, since
 * a reader of one file of a circle has to read them all.
 */

/**
 * Returns each circle as the files on one way round, the first again at the end. `imports` maps each file to the files
 * that it imports; files that it has no entry for are ignored.
 */
export const importCircles = (
  imports: ReadonlyMap<string, ReadonlyArray<string>>
): ReadonlyArray<ReadonlyArray<string>> => {
  const circles: Array<ReadonlyArray<string>> = []
  const done = new Set<string>()
  const path: Array<string> = []
  const visit = (file: string): void => {
    const start = path.indexOf(file)
    if (start >= 0) {
      circles.push([...path.slice(start), file])
      return
    }
    if (done.has(file)) return
    path.push(file)
    for (const target of new Set(imports.get(file))) if (imports.has(target)) visit(target)
    path.pop()
    done.add(file)
  }
  for (const file of imports.keys()) visit(file)
  return circles
}
