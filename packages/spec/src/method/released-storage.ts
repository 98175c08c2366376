import { packedFormat } from '../plan/formats.ts'
import type { FormatContext, LayerStorage } from './quantizer.ts'
import type { PackedFormat } from '../plan/tensor-format.ts'

/** What `releasedStorage` needs. */
export interface ReleasedStorageOptions {
  readonly bits: PackedFormat['bits']
  /** Values of a tile that are kept exactly where they are beyond `threshold`: at most this share. Left out: none. */
  readonly outliers?: { readonly share: number; readonly threshold: number }
}

/** Channels (keys) and tokens (values) that share a scale in the released code. */
const GROUP = 64

/**
 * What the released code of arXiv 2412.12706 stores, in tiles of one head: the whole pruned prompt after RoPE, in
 * uniform codes between minimum and maximum. Keys in groups of channels of a token, as that code's axis 1. Values
 * in groups of consecutive tokens of a channel; that code's axis 0 takes them from all heads and from tokens half
 * the prompt apart, which no tile holds. Later tokens stay in 16 bit.
 */
export function releasedStorage({ bits, outliers }: ReleasedStorageOptions, at: FormatContext): LayerStorage {
  const exact = outliers &&
    outliers.share > 0 && {
      outliers: outliers.share,
      outlierRule: { kind: 'beyond', threshold: outliers.threshold } as const,
    }
  const format = (scalePer: 'channel' | 'token', group: number) =>
    packedFormat({ bits, scalePer, group, ...exact })
  return {
    key: format('token', Math.min(GROUP, at.model.headDim)),
    value: format('channel', GROUP),
    recent: 0,
    residual: { keys: 'never', values: 'never' },
  }
}
