// A pruner in 30 lines: every third token and the newest ones. See docs/write-a-pruner.md.
import { loadModel } from '@qpkv/core'
import { modelFolder } from '@qpkv/reference-model'
import { definePruner, integer } from '@qpkv/spec'

const everyNth = definePruner({
  name: 'every-nth',
  paper: '',
  options: {
    n: integer({ default: 3, min: 1, max: 100, doc: 'Distance between kept tokens.' }),
    last: integer({ default: 16, min: 0, max: 4096, doc: 'Newest tokens that are always kept.' }),
  },
  layer: ({ last }) => ({ score: { stat: 'key-norm' }, protect: { last } }),
  score: ({ n }, { scores, tokens }) => scores.map((_, i) => ((i % tokens) % n === 0 ? 1 : 0)),
})

const model = await loadModel(modelFolder)
const prompt = ' The lamp is yellow.'.repeat(60)
const context = await model.prefill(prompt, {
  compression: { budget: { fraction: 0.4 }, prune: everyNth({ n: 3 }) },
})
const { promptTokens, keptPerHead, bytes } = context.report
console.log(`kept ${keptPerHead} of ${promptTokens} tokens per head, ${bytes.allocated} bytes`)
await context.dispose()
await model.dispose()
