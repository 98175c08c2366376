// Run as a program: prints how the process grows over many live contexts, and how much the engine counts for them.
//   node --expose-gc ... rss-slope.ts FOLDER COUNT exact|packed
import { readFileSync } from 'node:fs'
import { packed, segments } from './layer-cases.ts'
import { exactSegments, layerPlan, openModel, planOf } from './open-model.ts'
import type { NativeContext } from '../../../src/native/addon.ts'

const [folder = '', count = '200', kind = 'packed'] = process.argv.slice(2)
const tokens = 2000
const open = await openModel(folder, { precision: 'bf16' })
const segment =
  kind === 'exact'
    ? exactSegments('bf16')
    : segments(
        packed(8, 'channel', 32, { metadata: 'f16' }),
        packed(8, 'token', 32, { metadata: 'f16' }),
        32,
        {
          element: 'bf16',
        },
      )
const plan = planOf(open.config, tokens, layerPlan(tokens, { segments: segment }))
const ids = Int32Array.from({ length: tokens }, (_, i) => (i * 31 + 5) % open.config.vocabSize)

/** One prefill for several plans, so that the measurement does not take minutes. */
async function make(plans: number): Promise<NativeContext[]> {
  const run = open.model.startPrefill(
    ids,
    Array.from({ length: plans }, () => plan),
  )
  for (let layer = 0; layer < open.config.layers; layer++) {
    await run.runLayer()
    for (let i = 0; i < plans; i++) await run.compressLayer(i)
  }
  const contexts = await run.finish()
  run.dispose()
  globalThis.gc?.() // the lists of kept positions that were returned above are garbage, not cache
  return contexts
}

/** Resident bytes of anonymous memory. */
function resident(): number {
  globalThis.gc?.()
  const line = /RssAnon:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))
  return Number(line?.[1]) * 1024
}

const batch = 25
const warm = await make(batch)
warm.push(...(await make(batch)))
const start = resident()
const contexts: NativeContext[] = []
while (contexts.length < Number(count)) contexts.push(...(await make(batch)))
const full = resident()
const counted = contexts.reduce((sum, context) => {
  const { planned, grown, unused } = context.bytes()
  return sum + planned + grown + unused
}, 0)
for (const context of contexts) context.dispose()
const end = resident()
console.log(JSON.stringify({ contexts: contexts.length, grown: full - start, counted, left: end - start }))
