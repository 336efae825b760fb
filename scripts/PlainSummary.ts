/**
 * A vitest reporter that ends a run with what a person or another program can take from it at a glance: the name of
 * each test that was left out, with its reason, and one plain line of totals, `N passed, N failed`.
 *
 * Some tests need a program that a checkout does not bring (a browser, Python, Redis) and are skipped without it. On
 * a developer's machine that is fine as long as it is said. In CI nothing may be missing, so there a skipped test
 * fails the run.
 */
import type { Reporter, TestCase, TestModule, Vitest } from "vitest/node"

export class PlainSummary implements Reporter {
  private vitest: Vitest | undefined

  onInit(vitest: Vitest): void {
    this.vitest = vitest
  }

  onTestRunEnd(testModules: ReadonlyArray<TestModule>, unhandledErrors: ReadonlyArray<unknown>): void {
    // With a name pattern the developer has left the other tests out on purpose.
    const filtered = this.vitest?.config.testNamePattern !== undefined
    const summary = summarize(testModules, unhandledErrors.length)
    const lines: Array<string> = []
    if (!filtered && summary.skipped.length > 0) {
      lines.push(`left out (${summary.skipped.length}):`, ...summary.skipped.map((name) => `  ${name}`))
      if (process.env.CI) {
        lines.push("CI is set: a test that was left out counts as a failure of the run")
        process.exitCode = 1
      }
    }
    lines.push(totals(summary))
    process.stdout.write(`\n${lines.join("\n")}\n`)
  }
}

export interface Summary {
  readonly passed: number
  /** Tests that failed, and what failed outside of any test: modules that could not be loaded, stray rejections. */
  readonly failed: number
  readonly skipped: ReadonlyArray<string>
}

export const summarize = (testModules: ReadonlyArray<TestModule>, unhandledErrors: number): Summary => {
  let passed = 0
  let failed = unhandledErrors
  const skipped: Array<string> = []
  for (const module of testModules) {
    let failedInside = 0
    for (const test of module.children.allTests()) {
      const state = test.result().state
      if (state === "passed") passed++
      else if (state === "failed") failedInside++
      else skipped.push(describeSkipped(test))
    }
    failed += failedInside === 0 && module.state() === "failed" ? 1 : failedInside
  }
  return { passed, failed, skipped }
}

export const totals = (summary: Summary): string =>
  `${summary.passed} passed, ${summary.failed} failed` +
  (summary.skipped.length > 0 ? `, ${summary.skipped.length} skipped` : "")

const describeSkipped = (test: TestCase): string => {
  const result = test.result()
  const note = result.state === "skipped" ? result.note : undefined
  return `${test.project.name} > ${test.fullName}${note === undefined ? "" : ` (${note})`}`
}
