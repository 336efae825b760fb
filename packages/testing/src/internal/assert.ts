/** The assertions of the suite, over Node's own, so that it runs under any test runner. */
import { deepStrictEqual as deep, fail, match as matches, ok, strictEqual as strict } from "node:assert/strict"

export const strictEqual = (actual: unknown, expected: unknown): void => strict(actual, expected)
export const deepStrictEqual = (actual: unknown, expected: unknown): void => deep(actual, expected)
export const match = (actual: string, expected: RegExp): void => matches(actual, expected)
export const isTrue = (actual: boolean): void => ok(actual)
export const isFalse = (actual: boolean, message = "expected false"): void => ok(!actual, message)
export const isUndefined = (actual: unknown): void => strict(actual, undefined)
export const isAbove = (actual: number, limit: number): void => {
  if (!(actual > limit)) fail(`${actual} is not above ${limit}`)
}
export const isBelow = (actual: number, limit: number): void => {
  if (!(actual < limit)) fail(`${actual} is not below ${limit}`)
}
export const include = (actual: string, part: string): void => {
  if (!actual.includes(part)) fail(`${JSON.stringify(actual)} does not include ${JSON.stringify(part)}`)
}
