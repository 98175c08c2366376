import { checkSpec, parseMethodText, type Budget, type CompressionSpec, type SpecInput } from '@qpkv/spec'
import { WIDTHS, type PaperOptions } from './options.ts'

/** How a quantizer of the paper is written at a width. */
export type Storage = (bits: number) => string

/** KIVI with the grid's group and window, or what the released code runs under this name. */
export const kivi =
  ({ profile, group, recent }: PaperOptions): Storage =>
  (bits) =>
    profile === 'own'
      ? `kivi:bits=${bits},group=${group},recent=${recent}`
      : `kivi:profile=qpruningkv,bits=${bits},group=${group}`

/** A pruner at a width and a budget; 16 bit stores the tokens as they are. */
export function pair(
  pruner: string,
  bits: number,
  budget: Budget,
  { window }: PaperOptions,
  storage: Storage,
  more: Pick<SpecInput, 'layers'> = {},
): CompressionSpec {
  const observing = pruner === 'snapkv' || pruner === 'pyramidkv' ? `${pruner}:window=${window}` : pruner
  return checkSpec({
    budget,
    prune: parseMethodText(observing),
    quantize: parseMethodText(bits === 16 ? 'none' : storage(bits)),
    ...more,
  })
}

/** The full cache, and every storage without pruning: what the pairs are read against. */
export function unpruned(
  storages: readonly Storage[],
  widths: readonly number[] = WIDTHS.slice(1),
): CompressionSpec[] {
  const quantized = storages.flatMap((storage) => widths.map((bits) => parseMethodText(storage(bits))))
  return [checkSpec({}), ...quantized.map((quantize) => checkSpec({ quantize }))]
}
