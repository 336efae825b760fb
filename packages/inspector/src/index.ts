export * as Inspector from "./Inspector.ts"
export * as Recording from "./Recording.ts"
