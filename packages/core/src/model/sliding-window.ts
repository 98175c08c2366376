import type { Architecture } from './architectures.ts'
import type { ConfigReader } from './config-reader.ts'

/**
 * Visible tokens per layer, 0 for all. A query at position i sees the keys at j with i - j < window.
 *
 * Mistral: `sliding_window` holds for every layer. Qwen2 and Qwen3: only if `use_sliding_window`, then for the layers that
 * `layer_types` names, or, where a config does not list them, for those from `max_window_layers` on.
 */
export function slidingWindows(config: ConfigReader, architecture: Architecture, layers: number): number[] {
  const { slidingWindow: rule, defaults } = architecture
  if (rule === 'never') return Array.from({ length: layers }, () => 0)
  if (rule === 'if-used-by-later-layers' && !config.boolean('use_sliding_window', false))
    return Array.from({ length: layers }, () => 0)
  // An explicit null means no window; only an absent key takes the family's value.
  const window = config.isNull('sliding_window')
    ? 0
    : config.integer('sliding_window', { min: 1, max: 2 ** 31 - 1 }, defaults.slidingWindow)
  if (rule === 'every-layer') return Array.from({ length: layers }, () => window)

  const types = config.raw('layer_types')
  if (types !== undefined) {
    const known = (type: unknown) => type === 'full_attention' || type === 'sliding_attention'
    if (!Array.isArray(types) || types.length !== layers || !types.every(known))
      throw config.wrong(
        `a list of ${layers} times full_attention or sliding_attention`,
        'layer_types',
        types,
      )
    return types.map((type) => (type === 'sliding_attention' ? window : 0))
  }
  const first = config.integer('max_window_layers', { min: 0, max: 2 ** 31 - 1 }, defaults.maxWindowLayers)
  return Array.from({ length: layers }, (_, layer) => (layer >= first ? window : 0))
}
