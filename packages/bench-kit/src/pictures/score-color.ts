/**
 * Colors of scores from 0 to 1, at equal distances. `even`: dark to light and blue to yellow, told apart by every kind of sight and in grey;
 * `original`: the needle benchmark's usual red, yellow and green.
 */
export const palettes = {
  even: ['#0B2A5B', '#3C5378', '#737A84', '#A69C75', '#D9C057', '#FFE945'],
  original: ['#F0496E', '#EBB839', '#0CD79F'],
} as const satisfies Readonly<Record<string, readonly string[]>>

export type Palette = keyof typeof palettes

const channels = (hex: string) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))

/** Color of a score in [0, 1], linear in sRGB between the palette's colors; values outside are clamped. */
export function scoreColor(score: number, palette: Palette = 'even'): string {
  const stops: readonly string[] = palettes[palette]
  const place = Math.min(1, Math.max(0, score)) * (stops.length - 1)
  const index = Math.min(stops.length - 2, Math.floor(place))
  const from = channels(stops[index] ?? '')
  const to = channels(stops[index + 1] ?? '')
  const mix = from.map((channel, i) => Math.round(channel + ((to[i] ?? 0) - channel) * (place - index)))
  return `#${mix.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`.toUpperCase()
}

/** Whether white is easier to read on a color than black. */
export function isDark(hex: string): boolean {
  const [red = 0, green = 0, blue = 0] = channels(hex)
  return 0.299 * red + 0.587 * green + 0.114 * blue < 110
}
