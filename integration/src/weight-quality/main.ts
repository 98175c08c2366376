// What rounded weights cost: KL divergence of the next-token distributions and agreement of the likeliest token against the
// weights as stored, on texts that the stored model writes itself; and, on the bundled model, needles found.
//   pnpm weight-quality [--texts N] [--tokens N] [--needles N] [FOLDER ...]      default: the bundled model
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { pairedShareInterval, stratifiedMean, textTable } from '@qpkv/bench-kit'
import { loadModel, type Model, type ModelPrecision, type WeightsMode } from '@qpkv/core'
import { modelFolder, needleCases } from '@qpkv/reference-model'
import { formatBytes } from '@qpkv/spec'
import { divergence, logitsOf, ownTexts } from './divergence.ts'
import { roundLikeGguf } from './round-like-gguf.ts'

const { values, positionals } = parseArgs({
  options: {
    texts: { type: 'string', default: '24' },
    tokens: { type: 'string', default: '256' },
    needles: { type: 'string', default: '200' },
  },
  allowPositionals: true,
})

const Q4_0 = 'Q4_0, tables Q8_0'

for (const folder of positionals.length > 0 ? positionals : [modelFolder]) await report(folder)

async function report(folder: string): Promise<void> {
  await using stored = await loadModel(folder, { weights: 'stored' })
  const texts = await ownTexts(stored, Number(values.texts), Number(values.tokens))
  const wanted = await logitsOf(stored, texts)
  const found = folder === modelFolder ? await needles(stored) : undefined
  const rows = [['stored', formatBytes(stored.weightBytes), '0', '100.00 %', needleText(found, found)]]
  const perText = new Map<string, readonly number[]>()
  const measure = async (
    name: string,
    path: string,
    weights: WeightsMode,
    precision: ModelPrecision = 'bf16',
  ) => {
    await using model = await loadModel(path, { weights, precision })
    const logits = await logitsOf(model, texts)
    const { vocabSize } = model.config
    const { kl, top1 } = divergence(wanted, logits, vocabSize)
    perText.set(
      name,
      wanted.map((one, i) => divergence([one], logits.slice(i, i + 1), vocabSize).kl),
    )
    const here = found && (await needles(model))
    const bytes = weights === 'stored' ? '-' : formatBytes(model.weightBytes)
    rows.push([name, bytes, kl.toExponential(2), `${(100 * top1).toFixed(2)} %`, needleText(here, found)])
  }
  await measure('int8', folder, 'int8')
  await measure('int4', folder, 'int4')
  await measure('int8, bf16-fast', folder, 'int8', 'bf16-fast')
  await measure('int4, bf16-fast', folder, 'int4', 'bf16-fast')
  const copy = mkdtempSync(join(tmpdir(), 'qpkv-rounded-'))
  try {
    roundLikeGguf(folder, copy)
    await measure(Q4_0, copy, 'stored')
  } finally {
    rmSync(copy, { recursive: true })
  }
  console.log(`${basename(folder)}, ${texts.length} texts of ${values.tokens} tokens, ${stored.table}`)
  const peer = perText.get(Q4_0) ?? []
  const { mean, low, high } = stratifiedMean([
    (perText.get('int4') ?? []).map((kl, i) => kl - (peer[i] ?? NaN)),
  ])
  const ends = [low, high].map((end) => end.toExponential(1)).join(' to ')
  console.log(`KL of int4 less that of ${Q4_0}, text by text: ${mean.toExponential(1)} (95 %: ${ends})`)
  console.log(textTable(['weights', 'bytes', 'KL, nats', 'same token', 'needles (difference, 95 %)'], rows))
}

async function needles(model: Model): Promise<boolean[]> {
  const { tokenizer } = model
  if (!tokenizer) return []
  const cases = needleCases({
    seed: 'weights',
    tokens: 600,
    keys: 4,
    samples: Number(values.needles),
    countTokens: (text) => tokenizer.encode(text, { special: false }).length,
    protocol: 'query-aware',
  })
  const right: boolean[] = []
  for (const { prompt, questions } of cases) {
    await using context = await model.prefill(prompt)
    const { text } = await context.generate({ maxTokens: 12, temperature: 0 }).result
    right.push(text.trimStart().startsWith(questions[0]?.answer ?? '\0'))
  }
  return right
}

function needleText(here: readonly boolean[] | undefined, stored: readonly boolean[] | undefined): string {
  if (!here || !stored) return '-'
  const count = here.filter(Boolean).length
  const lost = stored.filter((right, i) => right && here[i] !== true).length
  const won = here.filter((right, i) => right && stored[i] !== true).length
  const { low, high } = pairedShareInterval(lost, won, here.length)
  return `${count} of ${here.length} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)} points)`
}
