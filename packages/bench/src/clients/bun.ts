/** Bun's own `WebSocket`, run by Bun itself. */
import "./global.ts"
