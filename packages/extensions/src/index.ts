export * as Extension from "./Extension.ts"
export * as Extensions from "./Extensions.ts"
export * as Negotiation from "./Negotiation.ts"
