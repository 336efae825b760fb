/** Tests of what the page on topics on many nodes shows. */
import * as Pages from "../support/Pages.ts"

export const covers: Pages.Covers = {
  "scale-1": Pages.itself,
  "scale-2": Pages.shown("packages/examples/test/rooms.test.ts runs the program"),
  "scale-3": Pages.shown("packages/examples/test/balanced.test.ts runs all of these"),
  "scale-4": Pages.shown("packages/examples/test/balanced.test.ts runs haproxy with it"),
  "scale-5": Pages.shown("it needs a Redis on its default port; packages/topics/test connects to one on a free port"),
  "scale-6": Pages.shown("packages/topics/test/TopicClient.test.ts tests decisions, their ends and publishers"),
  "scale-7": Pages.itself
}
