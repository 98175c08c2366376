import type { AllocationLayer } from '@qpkv/spec'

export interface PyramidOptions {
  readonly window: number
  /** Steepness: with room enough the last layer observes its mean share / beta. */
  readonly beta: number
}

/**
 * Tokens on a falling line over the layers whose mean is the capacity, to the token: the bottom layer gets most,
 * the top layer mean / beta, both beside the window. Near the prompt's length the line flattens instead of
 * jumping to equal shares. Capacities may differ (layers of different widths): each layer's place on the line is
 * scaled to its capacity, and the memory handed out never exceeds that of the capacities. Overridden layers keep
 * their place on the line but take no part in the sharing.
 */
export function exactPyramid(
  { window, beta }: PyramidOptions,
  promptTokens: number,
  layers: readonly AllocationLayer[],
): number[] {
  const free = layers.filter((layer) => !layer.fixed)
  const mean = free.reduce((sum, layer) => sum + layer.capacity, 0) / Math.max(1, free.length)
  const room = mean - window // what the line shares out, per layer
  if (room <= 0 || free.length < 2 || mean >= promptTokens) return layers.map((layer) => layer.capacity)
  let top = room / beta
  let bottom = 2 * room - top
  if (bottom > promptTokens - window) {
    bottom = promptTokens - window
    top = 2 * room - bottom
  }
  const place = (i: number) => (window + bottom - ((bottom - top) * i) / (free.length - 1)) / mean
  // The budget is handed out along the layers; what rounding leaves over goes to the next layer.
  let ideal = 0
  let given = 0
  let i = 0
  return layers.map((layer) => {
    if (layer.fixed) return layer.capacity
    ideal += place(i++) * layer.capacity * layer.cost
    const tokens = Math.max(0, Math.floor((ideal - given) / layer.cost + 1e-9))
    given += tokens * layer.cost
    return tokens
  })
}

/**
 * The released codes' table: integer floors, so that the sum exceeds the budget, and equal shares where the prompt
 * is shorter than twice the budget. `capacity` counts the window; the result too.
 */
export function flooredPyramid(
  { window, beta }: PyramidOptions,
  promptTokens: number,
  layers: readonly AllocationLayer[],
): number[] {
  return layers.map(({ capacity, fixed }, l) => {
    const share = capacity - window
    if (fixed || share <= 0 || layers.length < 2 || promptTokens < 2 * share) return capacity
    let least = Math.floor(share / beta)
    let most = 2 * share - least
    if (most >= promptTokens - window) {
      most = promptTokens - window
      least = 2 * share - most
    }
    const step = Math.floor((most - least) / (layers.length - 1))
    return window + most - l * step
  })
}
