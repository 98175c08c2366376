// The compression that keeps most within 64 KiB, found among three on the model itself, then used with a canary.
import { loadModel } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { planCompression, planningText } from '@qpkv/planner'
import { modelFolder, sentence, WorldRandom } from '@qpkv/reference-model'
import { parseSpec } from '@qpkv/spec'

const model = await loadModel(modelFolder, { methods: registry })
const planning = await planCompression(model, {
  budget: '64KiB',
  context: 600,
  registry,
  // Leave these out to search all that is installed.
  candidates: [
    'keydiff+kivi:bits=4,recent=8',
    'keydiff+hadamard:bits=3,recent=8',
    'streamingllm+kivi:bits=4,recent=8',
  ].map(parseSpec),
  questions: 4,
  judged: 2,
})
console.log(planningText(planning))

const random = new WorldRandom('example')
const prompt = Array.from({ length: 50 }, () => ` ${sentence(random)}`).join('')
const context = await model.prefill(prompt, { compression: { recipe: planning.recipe, canary: true } })
const { verdict, found, full } = context.report.canary
console.log(`canary ${verdict}: ${found} of ${full} hidden numbers found again`)
await context.dispose()
await model.dispose()
