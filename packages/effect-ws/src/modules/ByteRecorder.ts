export * from "@effect-ws/transport/ByteRecorder"
