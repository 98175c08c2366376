import {
  defineAllocator,
  integer,
  KvError,
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

/** Some heads keep the whole prompt, those that need it most and as many as the budget holds; the others few tokens. */
export const headTable = defineAllocator({
  name: 'head-table',
  paper: 'https://arxiv.org/abs/2410.10819',
  options: {
    ...headTableOptions,
    tokens: integer({
      default: 80,
      min: 1,
      max: 65536,
      doc: 'Tokens of a head that does not keep the whole prompt.',
    }),
  },
  allocate: ({ tokens, ...from }, at) => {
    const table = tableOf(from, at)
    return table && wholeHeads(table, tokens, at)
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
  return loaded
}

function wholeHeads({ heads }: HeadTable, tokens: number, at: Allocation): LayerTokens[] {
  const { layers, storedHeads, model } = at
  const few = layers.map((layer) => Math.min(Math.max(tokens, layer.protected), layer.candidates))
  const kept = layers.map((layer, l) =>
    Array.from({ length: storedHeads }, () => (layer.fixed ? layer.capacity : few[l]!)),
  )
  let left = 0
  for (const [l, layer] of layers.entries())
    if (!layer.fixed) left += (layer.capacity - few[l]!) * layer.cost * storedHeads
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
