// Holds estimateModel() to what a process takes: for each model a process of its own estimates, loads, reads a prompt and
// generates; its highest resident size is compared. Linux only.
//   pnpm bench:estimate [--tokens N] [--weights MODE] [--spec SPEC] [MODEL ...]      default: the bundled model, none+none
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { estimateModel, loadModel, type MemoryEstimate, type WeightsMode } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { formatBytes } from '@qpkv/spec'

const { values, positionals } = parseArgs({
  options: {
    tokens: { type: 'string', default: '500,2000' },
    weights: { type: 'string', default: 'auto' },
    spec: { type: 'string', default: 'none+none' },
    measure: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})

const residentPeak = (): number =>
  1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])

if (values.measure) await measure(positionals[0] ?? '', Number(values.tokens), values.weights as WeightsMode)
else
  for (const model of positionals.length > 0 ? positionals : [modelFolder])
    for (const tokens of values.tokens.split(',')) compare(model, tokens)

/** In the process of its own: prints estimate and peak. */
async function measure(path: string, tokens: number, weights: WeightsMode): Promise<void> {
  const specs = [values.spec]
  const estimate = await estimateModel(path, { tokens, weights, specs, methods: registry })
  await using model = await loadModel(path, { weights, methods: registry })
  const ids = Int32Array.from({ length: tokens }, (_, i) => (i * 37 + 5) % model.config.vocabSize)
  await using context = await model.prefill(ids, { compression: values.spec, onWarning: () => {} })
  await context.generate({ maxTokens: 4, temperature: 0, stopTokens: [] }).result
  console.log(JSON.stringify({ estimate, peak: residentPeak() }))
}

function compare(model: string, tokens: string): void {
  const { weights, spec } = values
  const flags = ['--measure', '--tokens', tokens, '--weights', weights, '--spec', spec, model]
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), ...flags],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(stderr)
  const { estimate, peak } = JSON.parse(stdout) as { estimate: MemoryEstimate; peak: number }
  const off = (100 * (estimate.peak - peak)) / peak
  console.log(
    `${model}, ${weights}, ${spec}, ${tokens} tokens: estimated ${formatBytes(estimate.peak)}, measured ${formatBytes(peak)}, ${off.toFixed(1)} % apart`,
  )
}
