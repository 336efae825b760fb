export * from "@effect-ws/inspector/SingleFilePage"
