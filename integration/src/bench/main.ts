// Prefill, decode, bytes and memory: of the bundled model and of a random-weight 1B Llama shape. Ratios are taken side by side.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { parseSpec } from '@qpkv/spec'
import { HostProbe } from './host-probe.ts'
import { measureDecode, measurePrefill } from './measure.ts'
import { attentionFlops, linearFlops, oneBillion, writeRandomModel, type Shape } from './random-model.ts'

const { values } = parseArgs({
  options: {
    shape: { type: 'string', multiple: true, default: ['reference', '1b'] },
    depth: { type: 'string', multiple: true, default: ['512', '2048', '8192'] },
    spec: {
      type: 'string',
      multiple: true,
      default: ['none+none', 'none+kivi:bits=8', 'none+kivi:bits=4', 'none+kivi:bits=2'],
    },
    threads: { type: 'string', default: '2' },
    table: { type: 'string' },
    rounds: { type: 'string', default: '9' },
    steps: { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
  },
})

const referenceShape: Shape = {
  layers: 4,
  hidden: 256,
  queryHeads: 4,
  kvHeads: 2,
  headDim: 64,
  intermediate: 640,
  vocab: 3712,
}
const threads = Number(values.threads)
const say = (text: string) => {
  if (!values.json) console.log(text)
}

async function measureModel(
  name: string,
  shape: Shape,
  model: Model,
  probe: HostProbe | undefined,
): Promise<unknown[]> {
  say(
    `\n${name}: ${(model.weightBytes / 2 ** 20).toFixed(0)} MiB of weights, table ${model.table}, ${model.threads} threads`,
  )
  const results: unknown[] = []
  for (const depth of values.depth.map(Number)) {
    const specs = values.spec.map((text) => parseSpec(text))
    await measurePrefill(model, 64, specs.slice(0, 1)).then(({ contexts }) => contexts[0]?.dispose())
    const { seconds, contexts } = await measurePrefill(model, depth, specs)
    const flops = depth * linearFlops(shape) + attentionFlops(shape, depth)
    const gflops = flops / seconds / 1e9
    say(
      `  prefill ${depth} tokens, ${specs.length} caches: ${(depth / seconds).toFixed(0)} tokens/s, ${gflops.toFixed(0)} GFLOP/s effective`,
    )
    const named = contexts.map((context, index) => ({ spec: values.spec[index] ?? '', context }))
    const { rows, counted } = await measureDecode(model, named, probe, {
      rounds: Number(values.rounds),
      steps: Number(values.steps),
    })
    for (const row of rows)
      say(
        `    decode ${row.spec.padEnd(20)} ${row.milliseconds.toFixed(2).padStart(8)} ms/token ${(1000 / row.milliseconds).toFixed(1).padStart(7)} tokens/s ` +
          `${row.ratio.toFixed(3)} of the first row's time ${(row.bytes / 2 ** 20).toFixed(2).padStart(8)} MiB`,
      )
    if (counted < 3) say(`    only ${counted} rounds passed the host probe: not measured`)
    results.push({ model: name, depth, prefillSeconds: seconds, gflops, decode: rows, counted })
    for (const context of contexts) await context.dispose()
  }
  return results
}

const probe = threads > 1 ? new HostProbe() : undefined
const results: unknown[] = []
const folder = mkdtempSync(join(tmpdir(), 'qpkv-bench-'))
try {
  const options = {
    threads,
    methods: registry,
    ...(values.table === undefined ? {} : { table: values.table }),
  }
  for (const name of values.shape) {
    const reference = name === 'reference'
    if (!reference && name !== '1b') throw new Error(`Expected --shape reference or 1b but received ${name}`)
    if (!reference) {
      say('\nwriting a random 1B model (2.1 GB) ...')
      writeRandomModel(folder, oneBillion)
    }
    const model = await loadModel(reference ? modelFolder : folder, options)
    results.push(
      ...(await measureModel(
        reference ? 'reference model' : 'random 1B Llama shape',
        reference ? referenceShape : oneBillion,
        model,
        probe,
      )),
    )
    await model.dispose()
  }
  const peak = process.resourceUsage().maxRSS / 1024
  say(`\npeak memory of the process: ${peak.toFixed(0)} MiB`)
  if (values.json) console.log(JSON.stringify({ results, peakMiB: peak }, null, 2))
} finally {
  rmSync(folder, { recursive: true, force: true })
  await probe?.dispose()
}
