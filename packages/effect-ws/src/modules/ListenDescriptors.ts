export * from "@effect-ws/transport/ListenDescriptors"
