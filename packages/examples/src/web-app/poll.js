const choices = document.getElementById("choices")
const status = document.getElementById("status")

const url = new URL("/live/lunch", location.href)
url.protocol = url.protocol.replace("http", "ws")
const socket = new WebSocket(url)

const tell = (state, text) => {
  status.dataset.state = state
  status.textContent = text
}

const rowOf = (choice) => {
  const found = choices.querySelector(`[data-choice="${choice}"]`)
  if (found !== null) return found
  const row = document.createElement("li")
  row.dataset.choice = choice
  const button = document.createElement("button")
  button.textContent = choice
  button.addEventListener("click", () => socket.send(choice))
  row.append(button, document.createElement("output"))
  choices.append(row)
  return row
}

socket.addEventListener("open", () => tell("open", "Click to vote; others see it at once."))
socket.addEventListener("close", ({ code }) => tell("closed", `Disconnected (${code}). Reload to try again.`))
socket.addEventListener("message", ({ data }) => {
  for (const [choice, count] of Object.entries(JSON.parse(data))) {
    rowOf(choice).querySelector("output").textContent = count
  }
})
