import { printMethod, readBudget, type CompressionPlan, type CompressionSpec } from '@qpkv/spec'

/** A spec taken apart for tables that are filtered and grouped; a field that it does not have is missing. */
export interface SpecColumns {
  readonly pruner: string
  readonly quantizer: string
  /** Mean code width over the layers of the plan; 16 where nothing is coded. */
  readonly keyBits?: number
  readonly valueBits?: number
  /** Values that share a scale, where the quantizer has the option. */
  readonly group?: number
  /** `tokens`, `fp16Tokens`, `fraction`, `bytes` or `byteFraction`. */
  readonly budgetKind?: string
  readonly budget?: number
}

/** Methods with their options as text, without those that have a column of their own. */
export function specColumns(
  { prune, quantize, budget, allocate, share }: CompressionSpec,
  plan: CompressionPlan | undefined,
): SpecColumns {
  const { bits: _, ...storage } = quantize
  const axes = [allocate, share].flatMap((axis) => (axis ? [printMethod(axis)] : []))
  const { group } = quantize
  const size = budget && readBudget(budget)
  const layers = plan?.layers ?? []
  const mean = (widths: readonly number[]) =>
    widths.length === 0 ? undefined : widths.reduce((sum, one) => sum + one, 0) / widths.length
  const packed = layers.map(({ segments }) => segments.find(({ role }) => role === 'packed'))
  const keyBits = mean(layers.map(({ simulated }, l) => simulated?.keyBits ?? packed[l]?.key.bits ?? 16))
  const valueBits = mean(
    layers.map(({ simulated }, l) => simulated?.valueBits ?? packed[l]?.value.bits ?? 16),
  )
  return {
    pruner: [printMethod(prune), ...axes].join('~'),
    quantizer: printMethod(storage),
    ...(keyBits !== undefined && { keyBits }),
    ...(valueBits !== undefined && { valueBits }),
    ...(typeof group === 'number' && { group }),
    ...(size && { budgetKind: size.name, budget: size.amount }),
  }
}
