import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel, type Model } from '@qpkv/core'
import { modelFolder } from '@qpkv/reference-model'
import { exportTiles } from '../../../packages/core/test/support/probe.ts'
import { beyond, readFloats, readIntegers, readJson, type ArrayReference } from './arrays.ts'
import { Tally, type FamilyResult } from './report.ts'

/** Bounds of the vectors' READMEs, absolute. */
const bounds = { f32: { model: 2e-3, arch: 1e-3 }, bf16: { model: 0.15, arch: 0.15 } }
/** Tokens must agree only where the two best logits are further apart than this. */
const MARGIN = 4e-3

type Precision = 'f32' | 'bf16'

function argmaxAndMargin(logits: Float32Array): { best: number; margin: number } {
  let [best, first, second] = [0, -Infinity, -Infinity]
  logits.forEach((value, index) => {
    if (value > first) [best, second, first] = [index, first, value]
    else if (value > second) second = value
  })
  return { best, margin: first - second }
}

const rows = (logits: Float32Array, vocab: number) =>
  Array.from({ length: logits.length / vocab }, (_, row) => logits.subarray(row * vocab, (row + 1) * vocab))

const logSum = (row: Float32Array): number => {
  const highest = row.reduce((a, b) => Math.max(a, b), -Infinity)
  return highest + Math.log(row.reduce((total, value) => total + Math.exp(value - highest), 0))
}

/** How our distributions differ from theirs: mean Kullback-Leibler divergence in nats, and how often the best token is the same. */
function divergence(
  ours: readonly Float32Array[],
  theirs: readonly Float32Array[],
): { nats: number; top1: number } {
  let [nats, same] = [0, 0]
  for (const [row, golden] of theirs.entries()) {
    const mine = ours[row] ?? new Float32Array()
    const shift = logSum(mine) - logSum(golden)
    const total = logSum(golden)
    golden.forEach(
      (value, index) => (nats += Math.exp(value - total) * (value - (mine[index] ?? NaN) + shift)),
    )
    same += Number(argmaxAndMargin(mine).best === argmaxAndMargin(golden).best)
  }
  return { nats: nats / theirs.length, top1: same / theirs.length }
}

/** Log probability that each row gives to the next id. */
function nextLogProbabilities(all: readonly Float32Array[], ids: ArrayLike<number>): Float64Array {
  return Float64Array.from(all.slice(0, ids.length - 1), (row, position) => {
    return (row[ids[position + 1] ?? 0] ?? NaN) - logSum(row)
  })
}

function compareArgmax(
  all: readonly Float32Array[],
  argmax: ArrayLike<number>,
  precision: Precision,
): string | undefined {
  const agreed = all.map((row, position) => {
    const { best, margin } = argmaxAndMargin(row)
    return best === argmax[position] || margin <= (precision === 'f32' ? MARGIN : 0.3)
  })
  const at = agreed.indexOf(false)
  return at < 0
    ? undefined
    : `argmax at position ${at} is ${argmaxAndMargin(all[at] ?? new Float32Array()).best}, theirs ${argmax[at]}`
}

/** Greedy tokens from a cache, stop tokens ignored; a difference counts where the margin is clear. */
async function compareGreedy(
  model: Model,
  ids: readonly number[],
  expected: readonly number[],
  precision: Precision,
): Promise<string | undefined> {
  const context = await model.prefill(Int32Array.from(ids))
  try {
    for (const [step, token] of expected.entries()) {
      const { best, margin } = argmaxAndMargin(await context.logits())
      if (best !== token && margin > (precision === 'f32' ? MARGIN : 0.3))
        return `greedy token ${step} is ${best}, theirs ${token}`
      if (step + 1 < expected.length) await context.append(Int32Array.of(token))
    }
    return undefined
  } finally {
    await context.dispose()
  }
}

interface ModelPrompt {
  name: string
  text: string
  ids: number[]
  greedy_ids: number[]
  last_positions: number
  last_logits: ArrayReference
  argmax: ArrayReference
  next_logprob: ArrayReference
}

interface ModelManifest {
  prompts: ModelPrompt[]
  attention?: { prompt: string; layers: { layer: number; k: ArrayReference; v: ArrayReference }[] }
}

async function comparePrompt(
  model: Model,
  folder: string,
  prompt: ModelPrompt,
  precision: Precision,
  differences: { nats: number; top1: number }[],
): Promise<string | undefined> {
  const tokenized = await model.tokenize(prompt.text)
  const wrong = prompt.ids.findIndex((id, index) => id !== tokenized.ids[index])
  if (wrong >= 0 || tokenized.ids.length !== prompt.ids.length)
    return `token ${wrong} is ${tokenized.ids[wrong]}, theirs ${prompt.ids[wrong]}`
  const { logits } = await model.logits(Int32Array.from(prompt.ids))
  const vocab = logits.length / prompt.ids.length
  const all = rows(logits, vocab)
  const bound = bounds[precision].model
  const last = readFloats(folder, prompt.last_logits)
  differences.push(divergence(all.slice(-prompt.last_positions), rows(last, vocab)))
  return (
    beyond(
      'last logits',
      logits.subarray((prompt.ids.length - prompt.last_positions) * vocab),
      last,
      bound,
    ) ??
    compareArgmax(all, readIntegers(folder, prompt.argmax), precision) ??
    beyond(
      'next log probability',
      nextLogProbabilities(all, prompt.ids),
      readFloats(folder, prompt.next_logprob),
      precision === 'f32' ? bound : 0.3,
    ) ??
    compareGreedy(model, prompt.ids, prompt.greedy_ids, precision)
  )
}

/** K (after RoPE) and V of single layers, as the cache stores them when nothing is compressed in the float32 mode. */
async function compareAttention(
  model: Model,
  folder: string,
  manifest: ModelManifest,
): Promise<string | undefined> {
  const prompt = manifest.prompts.find(({ name }) => name === manifest.attention?.prompt)
  if (!prompt || !manifest.attention) return undefined
  const context = await model.prefill(Int32Array.from(prompt.ids))
  try {
    for (const { layer, k, v } of manifest.attention.layers) {
      const [heads = 0, positions = 0, headDim = 0] = k.shape
      const [theirK, theirV] = [readFloats(folder, k), readFloats(folder, v)]
      for (let head = 0; head < heads; head++) {
        const ours = exportTiles(context, layer, head)
        const join = (parts: typeof ours.key) => Float32Array.from(parts.flatMap((part) => [...part.values]))
        const range = [head * positions * headDim, (head + 1) * positions * headDim] as const
        const problem =
          beyond(`layer ${layer} head ${head} keys`, join(ours.key), theirK.subarray(...range), 1e-3) ??
          beyond(`layer ${layer} head ${head} values`, join(ours.value), theirV.subarray(...range), 1e-3)
        if (problem) return problem
      }
    }
    return undefined
  } finally {
    await context.dispose()
  }
}

/** The reference model against an independent float32 implementation. */
export async function checkModel(folder: string, table: string, precision: Precision): Promise<FamilyResult> {
  const tally = new Tally('model', `${table} ${precision}`)
  const manifest = readJson<ModelManifest>(folder, 'manifest.json')
  const model = await loadModel(modelFolder, { table, precision })
  const differences: { nats: number; top1: number }[] = []
  try {
    for (const prompt of manifest.prompts)
      tally.record(
        prompt.name,
        await comparePrompt(model, folder, prompt, precision, differences).catch((error: unknown) =>
          String(error),
        ),
      )
    if (precision === 'f32' && manifest.attention)
      tally.record(
        'attention k, v',
        await compareAttention(model, folder, manifest).catch((error: unknown) => String(error)),
      )
  } finally {
    await model.dispose()
  }
  const mean = (of: (difference: { nats: number; top1: number }) => number) =>
    differences.reduce((sum, d) => sum + of(d), 0) / differences.length
  const note = `KL ${mean((d) => d.nats).toExponential(1)} nats, top-1 agreement ${(100 * mean((d) => d.top1)).toFixed(1)} % over the stored logits`
  return tally.result(differences.length > 0 ? { note } : {})
}

interface ArchGolden {
  input_ids: number[]
  greedy_24: number[]
  argmax: number[]
  logits: ArrayReference
}

/** Random-weight models of other architectures: one folder each, loaded like any checkpoint. */
export async function checkArchitectures(
  folder: string,
  table: string,
  precision: Precision,
): Promise<FamilyResult> {
  const tally = new Tally('arch', `${table} ${precision}`)
  for (const name of readdirSync(folder).filter((entry) => existsSync(join(folder, entry, 'golden.json')))) {
    const problem = await (async () => {
      const at = join(folder, name)
      const golden = readJson<ArchGolden>(at, 'golden.json')
      const model = await loadModel(at, { table, precision })
      try {
        const { logits } = await model.logits(Int32Array.from(golden.input_ids))
        return (
          beyond('logits', logits, readFloats(at, golden.logits), bounds[precision].arch) ??
          compareArgmax(rows(logits, logits.length / golden.input_ids.length), golden.argmax, precision) ??
          (await compareGreedy(model, golden.input_ids, golden.greedy_24, precision))
        )
      } finally {
        await model.dispose()
      }
    })().catch((error: unknown) => String(error))
    tally.record(name, problem)
  }
  return tally.result()
}
