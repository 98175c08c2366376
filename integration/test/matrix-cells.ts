import { registry } from '@qpkv/methods'
import type { Context, Model } from '@qpkv/core'
import { needleCases, type NeedleCase } from '@qpkv/reference-model'
import { bindMethods, parseSpec } from '@qpkv/spec'
import { coverPairs, fullProduct } from './covering-design.ts'

/*
 * Specs of score x allocator x sharing x quantizer x {kv, query} heads x {uniform, layer overrides} x tiers, generated from the
 * registry: a covering design for every change, the whole product for the night.
 */

export const BUDGET_TOKENS = 160
/** Options that suit prompts of 400 tokens. */
const options: Record<string, string> = {
  snapkv: ':window=16',
  layerquant: ':window=16',
  keydiff: ':last=8',
  lagkv: ':lag=64',
  dropkv: ':window=16',
  criticalkv: ':window=16',
  chunkkv: ':window=16',
  cake: ':window=16',
  'whole-first': ':layers=1',
  'layer-preference': ':queries=16',
}
export const withOptions = (name: string) => `${name}${options[name] ?? ''}`

export interface Cell {
  readonly text: string
  readonly pruner: string
  readonly quantizer: string
  /** Without allocator, sharing, query heads and overrides of its own. */
  readonly plain: boolean
}

const named = (methods: ReadonlyMap<string, unknown>) => [...new Set(['none', ...methods.keys()])]
export const pruners = named(registry.pruners)
export const quantizers = named(registry.quantizers)
/** An empty level leaves the axis to the pruner. */
// layer-range refuses what its released code cannot store; its own tests have the storage that it goes with.
export const allocators = ['', ...named(registry.allocators)].filter((name) => name !== 'layer-range')
export const sharings = ['', ...named(registry.sharings)]
const heads = ['', '#heads=query']
const overrides = ['', '#0-1:keyBits=8,valueBits=8']
/** Shares of the packed tokens; or counted by the one allocator that does, in bytes. */
const tiers = ['#tiers=4:0.25,2', '#tiers=8,4,2']
const counting = 'rate-distortion'
/** What packs one width or is simulated has no tiers, what has no score or evicts by it cannot assign them. */
const tierQuantizers = ['hadamard', 'kivi', 'kvarn', 'kvquant', 'turboquant']
const untiered = ['none', 'streamingllm']
const factors = [pruners, quantizers, allocators, sharings, heads, overrides]
const scoring = pruners.filter((name) => !untiered.includes(name))

function cellOf(row: readonly string[]): Cell {
  const [pruner, quantizer, given, sharing, head, override, tier = ''] = row as [
    string,
    string,
    string,
    string,
    string,
    string,
    string?,
  ]
  const counted = tier !== '' && !tier.includes(':')
  const allocator = counted ? counting : given
  // layerquant shares out memory; what keeps everything takes no budget.
  const inMemory = allocator === '' && pruner === 'layerquant'
  const budget = counted
    ? '@25%B'
    : pruner === 'none'
      ? ''
      : inMemory
        ? `@${BUDGET_TOKENS / 4}x16`
        : `@${BUDGET_TOKENS}t`
  // Widths of a layer override need a quantizer that has them.
  const layers = quantizer === 'none' && override !== '' ? '#0-1:keyBits=16,valueBits=16' : override
  const axes =
    sharing !== ''
      ? `~${withOptions(allocator)}~${sharing}`
      : allocator !== ''
        ? `~${withOptions(allocator)}`
        : ''
  return {
    text: `${withOptions(pruner)}${axes}+${quantizer}${budget}${head}${tier}${layers}`,
    pruner,
    quantizer,
    plain: axes === '' && head === '' && override === '' && tier === '',
  }
}

/**
 * Every pair of levels of two factors in some cell, every method alone, and tiers of both kinds beside every level of every
 * other factor that goes with them.
 */
export function designCells(): Cell[] {
  const rows = coverPairs(factors)
  // Beside the design: every pruner and every quantizer alone, whose cells are compared with one another.
  const alone = [
    ...pruners.map((pruner) => [pruner, 'none', '', '', '', '']),
    ...quantizers.map((quantizer) => ['none', quantizer, '', '', '', '']),
  ]
  const tiered = coverPairs([scoring, tierQuantizers, allocators, sharings, heads, overrides, tiers], 6)
  return distinct([...alone, ...rows, ...tiered])
}

/** Every combination of levels, without tiers and with each kind of them where they go. */
export function productCells(): Cell[] {
  return distinct([
    ...fullProduct(factors),
    ...fullProduct([scoring, tierQuantizers, allocators, sharings, heads, overrides, tiers]),
  ])
}

const distinct = (rows: readonly string[][]): Cell[] => [
  ...new Map(rows.map((row) => cellOf(row)).map((cell) => [cell.text, cell])).values(),
]

export const textsWith = (model: Model, samples: number, from = 0): NeedleCase[] =>
  needleCases({
    seed: 'matrix',
    tokens: 400,
    keys: 4,
    samples,
    from,
    protocol: 'query-aware',
    countTokens: (text) => model.tokenizer?.encode(text, { special: false }).length ?? 0,
  })

/** Whether the cell's allocator keeps more than the budget, as the released code does. */
export const overspends = (text: string) => bindMethods(parseSpec(text), registry).allocator.overspends

/** The logits after two more tokens: they have passed the compressed cache. */
export async function probe(context: Context): Promise<Float32Array> {
  const fork = context.fork()
  await fork.append(Int32Array.of(220, 18))
  const logits = await fork.logits()
  await fork.dispose()
  return logits
}
