/** The plot within its picture, in pixels from the upper left. */
export const PLOT = { left: 58, top: 80, right: 660, bottom: 404 }

export type Scale = ReturnType<typeof byteScale>

/** Bytes to pixels from the left, logarithmic, with ticks at powers of two. */
export function byteScale(bytes: readonly number[]) {
  // An empty cache has no place on a logarithmic axis; it is drawn at one byte. What no machine holds is drawn at the end.
  const position = (value: number) => Math.min(60, Math.log2(Math.max(1, value)))
  const low = position(Math.min(...bytes)) - 0.35
  const high = position(Math.max(...bytes)) + 0.35
  const at = (value: number) =>
    PLOT.left + ((position(value) - low) / (high - low)) * (PLOT.right - PLOT.left)
  const step = Math.max(1, Math.ceil((high - low) / 9))
  const ticks: number[] = []
  for (let power = Math.ceil(low); power <= high; power += step) ticks.push(2 ** power)
  return { at, ticks }
}

/** A score of 0 to 1 in pixels from the top. */
export const yAt = (score: number) => PLOT.bottom - score * (PLOT.bottom - PLOT.top)
