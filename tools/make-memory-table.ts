// Writes docs/memory.md: what models of four sizes take, by the planner that every prefill uses (`qpkv verify` compares it with the
// allocator). `--check` only compares.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { prefillPeakBytes } from '../packages/core/src/memory/estimate.ts'
import { registry } from '../packages/methods/src/index.ts'
import { parseSpec, planBytes, resolve } from '../packages/spec/src/index.ts'
import { conclude, root } from './workspace.ts'

interface Shape {
  readonly name: string
  readonly layers: number
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly queryHeads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly vocabSize: number
  readonly tiedHead: boolean
  readonly qkvBias: boolean
  readonly contextTokens: number
}

const common = {
  layers: 0,
  qkvBias: false,
  tiedHead: true,
  vocabSize: 128_256,
  kvHeads: 8,
  contextTokens: 131_072,
}
/** Sizes as the models' config.json files give them. */
const shapes: readonly Shape[] = [
  {
    ...common,
    name: '0.5B (Qwen2.5-0.5B)',
    layers: 24,
    hiddenSize: 896,
    intermediateSize: 4864,
    queryHeads: 14,
    kvHeads: 2,
    headDim: 64,
    vocabSize: 151_936,
    qkvBias: true,
    contextTokens: 32_768,
  },
  {
    ...common,
    name: '1B (Llama-3.2-1B)',
    layers: 16,
    hiddenSize: 2048,
    intermediateSize: 8192,
    queryHeads: 32,
    headDim: 64,
  },
  {
    ...common,
    name: '3B (Llama-3.2-3B)',
    layers: 28,
    hiddenSize: 3072,
    intermediateSize: 8192,
    queryHeads: 24,
    headDim: 128,
  },
  {
    ...common,
    name: '8B (Llama-3.1-8B)',
    layers: 32,
    hiddenSize: 4096,
    intermediateSize: 14_336,
    queryHeads: 32,
    headDim: 128,
    tiedHead: false,
  },
]
const contexts = [2048, 8192, 32_768, 131_072]
const specs = [
  'none+none',
  'none+kivi:bits=4',
  'none+kivi:bits=2',
  'snapkv+kivi:bits=4@25%',
  'snapkv+kivi:bits=4@2048x16',
]

/** Bytes of the weights as stored in 16 bit. */
function weightBytes(shape: Shape): number {
  const { hiddenSize, intermediateSize, layers, vocabSize, tiedHead, qkvBias } = shape
  const [q, kv] = [shape.queryHeads * shape.headDim, shape.kvHeads * shape.headDim]
  const attention = 2 * hiddenSize * q + 2 * hiddenSize * kv + (qkvBias ? q + 2 * kv : 0)
  const layer = attention + 3 * hiddenSize * intermediateSize + 2 * hiddenSize
  return 2 * (layers * layer + hiddenSize + vocabSize * hiddenSize * (tiedHead ? 1 : 2))
}

function cacheBytes(shape: Shape, tokens: number, text: string): number {
  const model = { ...shape, slidingWindow: Array.from({ length: shape.layers }, () => null) }
  const { plan } = resolve(parseSpec(text), registry, model, { tokens }, { precision: 'bf16' })
  return planBytes(plan, model).total
}

/** Three digits are as many as anybody plans with. */
function size(bytes: number): string {
  const [unit, name] = bytes >= 2 ** 30 ? [2 ** 30, 'GiB'] : [2 ** 20, 'MiB']
  const value = bytes / unit
  return `${value >= 100 ? Math.round(value) : value.toPrecision(3)} ${name}`
}

function section(shape: Shape): string {
  const rows = contexts
    .filter((tokens) => tokens <= shape.contextTokens)
    .map((tokens) => [
      tokens.toLocaleString('en-US'),
      size(prefillPeakBytes(shape, tokens)),
      ...specs.map((text) => size(cacheBytes(shape, tokens, text))),
    ])
  const head = ['tokens', 'prefill peak', ...specs.map((text) => `\`${text}\``)]
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    `## ${shape.name}`,
    `Weights in bf16: ${size(weightBytes(shape))}.`,
    [line(head), line(head.map(() => '---:')), ...rows.map(line)].join('\n'),
  ].join('\n\n')
}

const draft = `# Memory

Written by \`pnpm memory-table\` from the planner's formulas, which \`model.estimate()\` and the check before every prefill use. \`qpkv verify\` compares
the cache's figure with what the allocator hands out, to the byte; on the reference model they are equal. The models below were not run for this
table: see [real checkpoints](real-checkpoints.md) for what was.

A process takes: weights + caches + the prefill peak while a prompt is read (hidden states and one layer's keys and values in float32, the
rows of 512 tokens on their way through a layer, and keys and values of some heads once more, as attention reads them) + about 100 MiB for Node and the tokenizer. \`none+none\` is the full 16-bit cache; columns are specs.
What a pruner measures comes on top while the prompt is read; \`model.estimate()\` and \`qpkv memory\` count it: sums of attention are some bytes a token and head,
queries that are kept until the last one 4 bytes a channel (1 GiB at 128k tokens and 32 heads of 64). Later tokens come on top, too: the \`grown\` of a report.

${shapes.map(section).join('\n\n')}
`
const path = join(root, 'docs', 'memory.md')
const text = await format(draft, { ...(await resolveConfig(path)), filepath: path })
if (process.argv.includes('--check'))
  conclude(
    'memory table',
    existsSync(path) && readFileSync(path, 'utf8') === text
      ? []
      : ['docs/memory.md is not up to date; run "pnpm memory-table"'],
  )
else writeFileSync(path, text)
