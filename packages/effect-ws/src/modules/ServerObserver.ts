export * from "@effect-ws/connection/ServerObserver"
