/**
 * The cases of the Autobahn suite by their numbers. A report only says what ran; to notice what did not, one has to
 * know what there is.
 */

/** The sections of the suite, each with the number of its cases: `1.1` has `1.1.1` to `1.1.8`. */
const sections: ReadonlyArray<readonly [section: string, cases: number]> = [
  ["1.1", 8],
  ["1.2", 8],
  ["2", 11],
  ["3", 7],
  ["4.1", 5],
  ["4.2", 5],
  ["5", 20],
  ["6.1", 3],
  ["6.2", 4],
  ["6.3", 2],
  ["6.4", 4],
  ["6.5", 5],
  ["6.6", 11],
  ["6.7", 4],
  ["6.8", 2],
  ["6.9", 4],
  ["6.10", 3],
  ["6.11", 5],
  ["6.12", 8],
  ["6.13", 5],
  ["6.14", 10],
  ["6.15", 1],
  ["6.16", 3],
  ["6.17", 5],
  ["6.18", 5],
  ["6.19", 5],
  ["6.20", 7],
  ["6.21", 8],
  ["6.22", 34],
  ["6.23", 7],
  ["7.1", 6],
  ["7.3", 6],
  ["7.5", 1],
  ["7.7", 13],
  ["7.9", 9],
  ["7.13", 2],
  ["9.1", 6],
  ["9.2", 6],
  ["9.3", 9],
  ["9.4", 9],
  ["9.5", 6],
  ["9.6", 6],
  ["9.7", 6],
  ["9.8", 6],
  ["10.1", 1],
  ["12.1", 18],
  ["12.2", 18],
  ["12.3", 18],
  ["12.4", 18],
  ["12.5", 18],
  ["13.1", 18],
  ["13.2", 18],
  ["13.3", 18],
  ["13.4", 18],
  ["13.5", 18],
  ["13.6", 18],
  ["13.7", 18]
]

export const all: ReadonlyArray<string> = sections.flatMap(([section, cases]) =>
  Array.from({ length: cases }, (_, index) => `${section}.${index + 1}`)
)

/** What is run when nothing is asked for: everything. */
export const defaultGlobs: ReadonlyArray<string> = ["*"]

/** Returns the cases that any of the globs names; `*` stands for any characters. */
export const matching = (globs: ReadonlyArray<string>): ReadonlyArray<string> => {
  const patterns = globs.map(
    (glob) => new RegExp(`^${glob.replaceAll(/[^\w*]/g, String.raw`\$&`).replaceAll("*", ".*")}$`)
  )
  return all.filter((id) => patterns.some((pattern) => pattern.test(id)))
}

/** Returns the group of a case, the way the suite's documentation is divided: `6` for `6.4.1`. */
export const groupOf = (id: string): string => id.slice(0, id.indexOf("."))
