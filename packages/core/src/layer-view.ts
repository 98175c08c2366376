import type { NativePrefill } from './native/addon.ts'

/** A layer of a running prefill, for `onLayer`. Its tensors can be read until the callback ends. */
export interface LayerView {
  readonly layer: number
  /** Which of the specs, in the order of `compression`. */
  readonly index: number
  /** Of the prompt. */
  readonly tokens: number
  readonly storedHeads: number
  /** Positions that each stored head keeps, in storage order. [storedHeads] */
  readonly positions: readonly Int32Array[]
  /** What the layer's score gave, of several the first stage's, [storedHeads, tokens]; undefined where nothing was observed. A copy. */
  scores(): Promise<Float32Array | undefined>
  /** Keys as they are stored exactly, [kvHeads, tokens, headDim]. A copy. */
  keys(): Promise<Float32Array>
  /** Values, [kvHeads, tokens, headDim]. A copy. */
  values(): Promise<Float32Array>
}

/** `scored`: the scores that selection used where a method replaced them; left out: the engine's. */
export function viewLayer(
  prefill: NativePrefill,
  facts: Pick<LayerView, 'layer' | 'index' | 'tokens' | 'positions'> & { readonly observes: boolean },
  scored: Float32Array | undefined,
): LayerView {
  const { observes, ...view } = facts
  const storedHeads = view.positions.length
  const measured = async () => (await prefill.scores(view.index)).subarray(0, storedHeads * view.tokens)
  return {
    ...view,
    storedHeads,
    scores: async () => (scored ? scored.slice() : observes ? measured() : undefined),
    keys: () => prefill.exact('key'),
    values: () => prefill.exact('value'),
  }
}
