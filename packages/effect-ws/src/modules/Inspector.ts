export * from "@effect-ws/inspector/Inspector"
