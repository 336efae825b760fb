/**
 * An input as one word, for the command that runs it again: `TARGET:SETUP:HEX`.
 */
import type { Finding } from "./Fuzzer.ts"
import type { Input } from "./Target.ts"

export const format = ({ input, target }: Pick<Finding, "input" | "target">): string =>
  `${target}:${input.setup}:${Buffer.from(input.bytes).toString("hex")}`

export const parse = (text: string): { readonly target: string; readonly input: Input } | undefined => {
  const [target, setup, hex, ...rest] = text.split(":")
  if (target === undefined || setup === undefined || hex === undefined || rest.length > 0) return undefined
  if (!/^([0-9a-f]{2})*$/.test(hex)) return undefined
  return { target, input: { setup, bytes: new Uint8Array(Buffer.from(hex, "hex")) } }
}
