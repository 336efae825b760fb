/**
 * Proves that every link of the built site leads to a page, and to a heading that is there. Links elsewhere are not
 * followed.
 */
import { LinkChecker, LinkState } from "linkinator"

/** Lists the links that lead nowhere, as `page: link`. */
export const deadLinks = async (
  root: string,
  start: string
): Promise<{ readonly checked: number; readonly dead: Array<string> }> => {
  const { links } = await new LinkChecker().check({
    path: start,
    serverRoot: root,
    recurse: true,
    checkFragments: true,
    linksToSkip: ["\\.js$", "^https?://(?!localhost|127\\.0\\.0\\.1)"],
    // With many at a time, some requests fail on a busy machine.
    concurrency: 8
  })
  return {
    checked: links.filter(({ state }) => state === LinkState.OK).length,
    dead: links.filter(({ state }) => state === LinkState.BROKEN).map(({ parent, url }) => `${parent ?? ""}: ${url}`)
  }
}
