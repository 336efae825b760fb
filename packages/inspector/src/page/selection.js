/** The selected connection: what the inspector has told of it since it was selected. */
/** @import { Frame, Told } from "./connections.js" */

/** How many frames the page keeps. */
export const SHOWN_FRAMES = 200

/** @type {number | undefined} */
export let selected
/** @type {Told<"Selected"> | undefined} */
export let watched
/** @type {Array<Frame>} */
export let frames = []
export let framesSeen = 0
/** @type {Array<number>} */
export let trips = []

const clearFrames = () => {
  frames = []
  framesSeen = 0
}

/** @param {number | undefined} id */
export const choose = (id) => {
  selected = id
  watched = undefined
  trips = []
  clearFrames()
}

/** @param {Told<"Selected">} told */
export const watch = (told) => {
  watched = told
  clearFrames()
}

/**
 * Keeps the frames, and returns those that are new to the page.
 *
 * @param {Told<"Frames">} told
 */
export const addFrames = (told) => {
  framesSeen += told.frames.length + told.dropped
  const fresh = told.frames.slice(-SHOWN_FRAMES)
  frames = [...frames, ...fresh].slice(-SHOWN_FRAMES)
  return fresh
}
