// For prefills of several lengths under several scores prints what was estimated beside what the op tables held at most: see
// held-memory.test.ts. Pruners are made of scores here, so that every statistic is among them.
import { h2o } from '@qpkv/pruner-h2o'
import { snapkv } from '@qpkv/pruner-snapkv'
import { definePruner, defineSharing, statistics, type ScoreInput, type Statistic } from '@qpkv/spec'
import { kivi } from '@qpkv/quantizer-kivi'
import { loadModel } from '../../../src/index.ts'
import { loadAddon } from '../../../src/native/load-addon.ts'

const [path = '', lengths = '', precision = 'bf16'] = process.argv.slice(2)
const { addon } = loadAddon()

const pruner = (name: string, score: ScoreInput) =>
  definePruner({ name, paper: 'none', options: {}, layer: () => ({ score, protect: { last: 8 } }) })()
/** Heads of all layers share places, so all layers wait for the last one. */
const together = defineSharing({
  name: 'together',
  paper: 'none',
  options: {},
  share: () => ({ pool: 'model', floor: 0 }),
})
const grouped = ({ rows }: Pick<Statistic, 'rows'>, node: object): ScoreInput =>
  (rows === 'query' ? { op: 'group', by: 'mean', of: [node] } : node) as ScoreInput
const queries = { rows: 'query' } as const

const specs = {
  none: {},
  h2o: { prune: h2o(), quantize: kivi({ bits: 4 }), budget: { fraction: 0.25 } },
  snapkv: { prune: snapkv({ window: 64 }), budget: { fraction: 0.25 } },
  'kept queries': {
    prune: pruner(
      'kept-queries',
      grouped(queries, { stat: 'attention', queries: 'all', mask: 'window-block' }),
    ),
    budget: { fraction: 0.25 },
  },
  variance: {
    prune: pruner('variance', grouped(queries, { stat: 'attention', queries: 'all', reduce: 'variance' })),
    budget: { fraction: 0.25 },
  },
  'all layers': { prune: h2o(), share: together(), budget: { fraction: 0.25 } },
  ...Object.fromEntries(
    Object.values<Statistic>(statistics).map((statistic) => [
      statistic.name,
      {
        prune: pruner(`of-${statistic.name}`, grouped(statistic, { stat: statistic.name })),
        budget: { fraction: 0.25 },
      },
    ]),
  ),
}

const rows: object[] = []
for (const tokens of lengths.split(',').map(Number)) {
  const ids = Int32Array.from({ length: tokens }, (_, i) => (i * 37 + 5) % 200)
  for (const [name, compression] of Object.entries(specs)) {
    // A model of its own, so that no scratch is left of an earlier prompt.
    await using model = await loadModel(path, {
      threads: 2,
      precision: precision as 'bf16',
      packedCache: false,
    })
    const estimate = model.estimate(tokens, [compression])
    const before = addon.hostMemory(true).now
    const context = await model.prefill(ids, {
      compression: compression as never,
      onWarning: () => {},
    })
    const measured = addon.hostMemory().most - before
    await context.dispose()
    rows.push({ name, tokens, estimated: estimate.prefillPeak + estimate.caches[0]!, measured })
  }
}
console.log(JSON.stringify(rows))
