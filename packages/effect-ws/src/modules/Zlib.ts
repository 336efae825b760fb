export * from "@effect-ws/extensions/Zlib"
