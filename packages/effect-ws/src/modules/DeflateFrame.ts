export * from "@effect-ws/extensions/DeflateFrame"
