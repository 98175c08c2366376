import { specBits, specKind, type NamedSpec, type SpecKind } from '@qpkv/bench-kit'
import type { NeedleProtocol } from '@qpkv/reference-model'
import {
  budgetBytes,
  checkSpec,
  formatBytes,
  parseMethodText,
  printBudget,
  type CompressionSpec,
  type SpecInput,
} from '@qpkv/spec'

/** A row of the needle table. */
export interface NeedleRow extends NamedSpec {
  readonly kind: SpecKind
  /** Code width as the papers count it; undefined where the quantizer has no `bits`. */
  readonly bits: number | undefined
  /** Real bytes, where the budget is one of bytes. */
  readonly budgetBytes?: number
}

/** A row for any spec, named after what it does. */
export function needleRow(input: SpecInput, label?: string): NeedleRow {
  const spec = checkSpec(input)
  const kind = specKind(spec)
  const bits = specBits(spec)
  const bytes = spec.budget && 'bytes' in spec.budget ? budgetBytes(spec.budget.bytes) : undefined
  return {
    label: label ?? labelOf(spec, kind, bits),
    spec,
    kind,
    bits,
    ...(bytes === undefined ? {} : { budgetBytes: bytes }),
  }
}

function labelOf(
  { budget, prune, quantize }: CompressionSpec,
  kind: SpecKind,
  bits: number | undefined,
): string {
  const width = bits === undefined ? quantize.method : `${bits} bit`
  const size = budget
    ? 'bytes' in budget
      ? formatBytes(budgetBytes(budget.bytes))
      : printBudget(budget)
    : ''
  if (kind === 'full') return 'full cache'
  if (kind === 'quantize') return `quantize only, ${width}`
  return `${size || prune.method}: ${kind === 'prune' ? 'prune only' : 'joint'}, ${width}`
}

/** The pruner that suits each protocol: snapkv sees the question; keydiff needs none. */
export const protocolPruner: Readonly<Record<NeedleProtocol, string>> = {
  'query-aware': 'snapkv:window=16,kernel=7,pool=max',
  'query-agnostic': 'keydiff:last=8',
}

export interface DemoRowsOptions {
  /** Real bytes of the whole cache. Default 64 KiB and 128 KiB. */
  readonly budgets?: readonly string[]
  /** Widths of quantize-only and joint rows. Default 8, 4, 2. */
  readonly bits?: readonly number[]
}

/** The rows of the demo: full; quantize-only; and per budget prune-only at 16 bit and joint at every width. */
export function demoRows(
  protocol: NeedleProtocol,
  { budgets = ['64KiB', '128KiB'], bits = [8, 4, 2] }: DemoRowsOptions = {},
): NeedleRow[] {
  const prune = parseMethodText(protocolPruner[protocol])
  const kivi = (width: number) => parseMethodText(`kivi:bits=${width},group=32,recent=8`)
  return [
    needleRow({}),
    ...bits.map((width) => needleRow({ quantize: kivi(width) })),
    ...budgets.flatMap((bytes) => [
      needleRow({ budget: { bytes }, prune }),
      ...bits.map((width) => needleRow({ budget: { bytes }, prune, quantize: kivi(width) })),
    ]),
  ]
}
