/** The needle benchmark's usual colors at scores 0, 0.5 and 1. */
export const scoreStops = ['#F0496E', '#EBB839', '#0CD79F'] as const

const channels = (hex: string) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))

/** Color of a score in [0, 1], linear in sRGB between the three stops; values outside are clamped. */
export function scoreColor(score: number): string {
  const place = Math.min(1, Math.max(0, score)) * (scoreStops.length - 1)
  const index = Math.min(scoreStops.length - 2, Math.floor(place))
  const from = channels(scoreStops[index] ?? scoreStops[0])
  const to = channels(scoreStops[index + 1] ?? scoreStops[2])
  const mix = from.map((channel, i) => Math.round(channel + ((to[i] ?? 0) - channel) * (place - index)))
  return `#${mix.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`.toUpperCase()
}
