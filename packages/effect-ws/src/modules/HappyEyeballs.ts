export * from "@effect-ws/client/HappyEyeballs"
