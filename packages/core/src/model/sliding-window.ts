import type { Architecture, WindowRule } from './architecture.ts'
import type { ConfigReader } from './config-reader.ts'

/**
 * Visible tokens per layer, 0 for all. A query at position i sees the keys at j with i - j < window.
 * @param rotated per layer: whether the rotary embedding rotates it.
 */
export function slidingWindows(
  config: ConfigReader,
  { windows: rule, defaults }: Architecture,
  rotated: readonly boolean[],
): number[] {
  const off = rotated.map(() => 0)
  if (rule.layers === 'none' || (rule.ifUsed && !config.boolean('use_sliding_window', false))) return off
  // An explicit null means no window; only an absent key takes the family's value.
  // Layers of two kinds differ in more than the window.
  if (config.isNull('sliding_window') && rule.layers === 'all-but-every')
    throw config.wrong('a whole number', 'sliding_window', null)
  const absent = config.raw('sliding_window') === undefined
  if (absent && (config.isNull('sliding_window') || defaults.slidingWindow === null)) return off
  const fallback = defaults.slidingWindow ?? undefined
  const window = config.integer('sliding_window', { min: 1, max: 2 ** 31 - 1 }, fallback)
  return windowedLayers(config, rule, rotated).map((windowed) => (windowed ? window : 0))
}

function windowedLayers(config: ConfigReader, rule: WindowRule, rotated: readonly boolean[]): boolean[] {
  if (rule.layers === 'every') return rotated.map(() => true)
  const types = layerTypes(config, rotated.length)
  if (types) return types.map((type) => type === 'sliding_attention')
  if (rule.layers === 'without-rope') return rotated.map((rotates) => !rotates)
  if (rule.layers === 'later') {
    const first = config.integer('max_window_layers', { min: 0, max: 2 ** 31 - 1 }, rule.first)
    return rotated.map((_, layer) => layer >= first)
  }
  const { n, field } = rule as Extract<WindowRule, { layers: 'all-but-every' }>
  const every = field === undefined ? n : config.integer(field, { min: 1, max: 4096 }, n)
  return rotated.map((_, layer) => (layer + 1) % every !== 0)
}

/** `layer_types`, where a config lists them. */
function layerTypes(config: ConfigReader, layers: number): readonly string[] | undefined {
  const types = config.raw('layer_types')
  if (types === undefined) return undefined
  const known = (type: unknown) => type === 'full_attention' || type === 'sliding_attention'
  if (!Array.isArray(types) || types.length !== layers || !types.every(known))
    throw config.wrong(`a list of ${layers} times full_attention or sliding_attention`, 'layer_types', types)
  return types.map(String)
}
