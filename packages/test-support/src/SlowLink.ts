import * as Net from "node:net"

/** Carries a connection to a port of the loopback, towards which it lets so many bytes a second pass. */
export const carry = (near: Net.Socket, port: number, bytesPerSecond: number): void => {
  const far = Net.connect(port, "127.0.0.1")
  far.on("error", () => near.destroy()).pipe(near)
  near.on("error", () => far.destroy())
  near.on("data", (chunk) => {
    near.pause()
    setTimeout(
      () => {
        far.write(chunk)
        near.resume()
      },
      (chunk.length / bytesPerSecond) * 1000
    )
  })
  near.on("end", () => far.end())
  near.on("close", () => far.destroy())
}
