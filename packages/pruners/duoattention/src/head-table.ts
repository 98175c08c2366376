import {
  defineAllocator,
  integer,
  KvError,
  oneOf,
  optional,
  text,
  type Allocation,
  type Json,
  type LayerTokens,
  type Option,
} from '@qpkv/spec'
import { checkHeadTable, headTableHash, readHeadTable, type HeadTable } from './head-tables.ts'

const tableOption: Option<string | { readonly [key: string]: Json } | undefined> = optional({
  default: '',
  doc: 'How much each head needs the whole text; left out: all heads alike.',
  accepts: 'the path of a head table or its parsed JSON',
  check(value: unknown, path: string) {
    if (typeof value === 'string') return value
    checkHeadTable(value, path)
    return value as { readonly [key: string]: Json }
  },
})

export const headTableOptions = {
  table: tableOption,
  tableHash: optional(
    text({ default: '', doc: "SHA-256 of the table's numbers; another table is refused." }),
  ),
}

interface TableOptions {
  readonly table: string | { readonly [key: string]: Json } | undefined
  readonly tableHash: string | undefined
}

/**
 * Some heads keep the whole prompt, those that need it most and as many as the budget holds, the others few tokens; or every head as much as it needs
 * beside the others.
 */
export const headTable = defineAllocator({
  name: 'head-table',
  paper: 'https://arxiv.org/abs/2410.10819',
  options: {
    ...headTableOptions,
    tokens: integer({
      default: 80,
      min: 1,
      max: 65536,
      doc: 'With whole heads: tokens of the others.',
    }),
    keep: oneOf(['whole', 'parts'], {
      default: 'whole',
      doc: 'whole: as many heads as the budget holds keep everything. parts: every head keeps tokens in proportion to its need.',
    }),
  },
  allocate: ({ tokens, keep, ...from }, at) => {
    const table = tableOf(from, at)
    return table && (keep === 'whole' ? wholeHeads(table, tokens, at) : partsOfHeads(table, at))
  },
})

/** The table that options name, checked against the model and the hash that they may carry. */
function tableOf({ table, tableHash }: TableOptions, { model }: Allocation): HeadTable | undefined {
  if (table === undefined) return undefined
  const loaded = typeof table === 'string' ? readHeadTable(table) : checkHeadTable(table, 'allocate.table')
  const hash = headTableHash(loaded)
  if (tableHash !== undefined && tableHash !== hash)
    throw new KvError('KV_CONFLICT', `allocate.table has the hash ${hash}, expected ${tableHash}.`, {
      hint: 'Use the table that the spec was made with, or drop tableHash.',
    })
  const [layers, heads] = [loaded.heads.length, loaded.heads[0]!.length]
  if (layers !== model.layers || heads !== model.kvHeads)
    throw new KvError(
      'KV_CONFLICT',
      `allocate.table is for ${layers} layers of ${heads} heads, the model has ${model.layers} of ${model.kvHeads}.`,
    )
  const { model: of } = loaded
  if (of !== undefined && model.identity !== undefined && of.identity !== model.identity)
    throw new KvError(
      'KV_CONFLICT',
      `allocate.table was made on ${of.name} (${of.identity}), and this model is another (${model.identity}).`,
      { hint: 'Make one of this model: qpkv head-table MODEL --out FILE.' },
    )
  return loaded
}

/** Undefined where the budget does not hold the few tokens of every head: then all keep as many. */
function wholeHeads({ heads }: HeadTable, tokens: number, at: Allocation): LayerTokens[] | undefined {
  const { layers, storedHeads, model } = at
  const few = layers.map((layer) => Math.min(Math.max(tokens, layer.protected), layer.candidates))
  const kept = layers.map((layer, l) =>
    Array.from({ length: storedHeads }, () => (layer.fixed ? layer.capacity : few[l]!)),
  )
  let left = 0
  for (const [l, layer] of layers.entries())
    if (!layer.fixed) left += (layer.capacity - few[l]!) * layer.cost * storedHeads
  if (left < 0) return undefined
  // Query heads of a KV head stand for it where heads are stored apart.
  const perKvHead = storedHeads / model.kvHeads
  const order = heads
    .flatMap((row, l) => row.map((need, head) => ({ l, head, need })))
    .filter(({ l }) => !layers[l]!.fixed)
    .sort((a, b) => b.need - a.need || a.l - b.l || a.head - b.head)
  for (const { l, head } of order) {
    const { candidates, cost } = layers[l]!
    const more = (candidates - few[l]!) * cost * perKvHead
    if (more > left + 1e-9) break
    left -= more
    for (let i = 0; i < perKvHead; i++) kept[l]![head * perKvHead + i] = candidates
  }
  return layers.map((layer, l) => (layer.fixed ? layer.capacity : kept[l]!))
}

/** Tokens in proportion to the needs, none beyond the prompt, none below what is protected. */
function partsOfHeads({ heads }: HeadTable, at: Allocation): LayerTokens[] {
  const { layers, storedHeads, model } = at
  const perKvHead = storedHeads / model.kvHeads
  const kept = (factor: number) =>
    layers.map((layer, l) =>
      Array.from({ length: storedHeads }, (_, i) =>
        layer.fixed
          ? layer.capacity
          : Math.floor(
              Math.max(
                Math.min(Math.max(1, layer.protected), layer.candidates),
                Math.min(layer.candidates, factor * heads[l]![Math.floor(i / perKvHead)]!),
              ),
            ),
      ),
    )
  const cost = (tokens: readonly (readonly number[])[]) =>
    layers.reduce(
      (sum, layer, l) => sum + (layer.fixed ? 0 : layer.cost * tokens[l]!.reduce((all, n) => all + n, 0)),
      0,
    )
  const budget = layers.reduce(
    (sum, layer) => sum + (layer.fixed ? 0 : layer.cost * layer.capacity * storedHeads),
    0,
  )
  // Beyond this every head with any need keeps everything.
  let [low, high] = [0, 1e4 * Math.max(...layers.map(({ candidates }) => candidates))]
  for (let i = 0; i < 64; i++) {
    const middle = (low + high) / 2
    if (cost(kept(middle)) <= budget + 1e-9) low = middle
    else high = middle
  }
  return kept(low).map((perHead, l) => (layers[l]!.fixed ? layers[l]!.capacity : perHead))
}
