export * from "@effect-ws/extensions/Negotiation"
