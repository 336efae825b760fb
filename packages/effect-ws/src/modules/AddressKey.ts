export * from "@effect-ws/transport/AddressKey"
