// What methods do to answers on the reference model, paired with the full cache on the same texts:
// right answers, their difference, and the divergence of the distributions of the answer's tokens, both
// with 95 % intervals. Two protocols: the question inside the compressed prompt, or asked afterwards on
// a fork. Prints one Markdown table per protocol; p values of exact McNemar tests against the full cache are adjusted by
// Holm for the rows of the table. `--pairs` adds a table of every two specs of the same budget against each other, by the same tests, adjusted for
// all of its rows.
//
//   node --conditions=@qpkv/source --import tsx integration/src/bench/measure-methods.ts [--samples 100] [--tokens 1024] [--seed 1] [--threads N] [--protocol …] [--specs TEXT]… [--pairs]
import { parseArgs } from 'node:util'
import { bootstrapMean, divergence, holm, mcnemarExact, mean } from '@qpkv/bench-kit'
import { loadModel, type Context } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder, needleCases, type NeedleProtocol } from '@qpkv/reference-model'
import { parseSpec } from '@qpkv/spec'

const { values: flags } = parseArgs({
  options: {
    samples: { type: 'string', default: '100' },
    tokens: { type: 'string', default: '1024' },
    seed: { type: 'string', default: '1' },
    specs: { type: 'string', multiple: true },
    protocol: { type: 'string' },
    threads: { type: 'string' },
    pairs: { type: 'boolean', default: false },
  },
})

const quantizeOnly = [
  'none+int8',
  ...[8, 4, 2].map((bits) => `none+kivi:bits=${bits}`),
  ...[4, 3, 2].map((bits) => `none+kvquant:bits=${bits}`),
  ...[4, 3, 2].flatMap((bits) => [`none+hadamard:bits=${bits}`, `none+turboquant:bits=${bits}`]),
  'none+kvarn:keyBits=4,valueBits=4',
  'none+kvarn',
  'none+kvarn:keyBits=2,valueBits=2',
  'none+layerquant',
]
const pruneOnly = [
  'snapkv:window=16',
  'adakv:window=16',
  'pyramidkv',
  'h2o',
  'streamingllm',
  'keydiff',
  'l2norm',
  'l2norm:norms=largest',
  'layerquant',
  'random',
  'tova',
  'lagkv',
  'dropkv:window=16',
  'vatp:window=16',
  'chunkkv:window=16',
  'criticalkv:window=16',
  'cake:window=16',
  'cake:window=16~layer-preference:queries=16',
  'expected-attention',
  'compactor',
  'rkv',
  'kvzip',
  'kvzip:plus=true',
  'kvzip~~none',
].flatMap((prune) => [`${prune}+none@128t`, `${prune}+none@25%`])
const specs = flags.specs ?? [...quantizeOnly, ...pruneOnly]

/** One spec over all texts. */
interface Tally {
  /** Per answer. */
  readonly right: boolean[]
  /** Per text, the mean of its answers, in nats. */
  readonly divergence: number[]
  /** Mean bytes of the cache. */
  bytes: number
}

/** Whether the reply begins with the answer, and the distributions of the answer's tokens when it is given token by token. */
async function ask(context: Context, question: string, answer: readonly number[], wanted: string) {
  const fork = context.fork()
  try {
    if (question !== '') await fork.append(question)
    const steps: Float32Array[] = []
    const forced = fork.fork()
    for (const id of answer) {
      steps.push(await forced.logits())
      await forced.append([id])
    }
    await forced.dispose()
    const { text } = await fork.generate({ maxTokens: 14, temperature: 0 }).result
    return { steps, right: text.startsWith(wanted) }
  } finally {
    await fork.dispose()
  }
}

/** Answers that only one of the two got right. */
function discordant(
  full: readonly boolean[],
  other: readonly boolean[],
): readonly [lost: number, gained: number] {
  const only = (a: readonly boolean[], b: readonly boolean[]) =>
    a.filter((right, i) => right && b[i] === false).length
  return [only(full, other), only(other, full)]
}

/** Difference of paired right answers with its 95 % interval (Agresti and Min 2005: half an answer in every cell), in points. */
function difference(full: readonly boolean[], other: readonly boolean[]): string {
  const [lost, gained] = discordant(full, other)
  const n = full.length
  const center = (gained - lost) / (n + 2)
  const spread = Math.sqrt((gained + lost + 1) / (n + 2) - center ** 2) / Math.sqrt(n + 2)
  const point = (x: number) => (100 * x).toFixed(1)
  return `${point((gained - lost) / n)} (${point(center - 1.96 * spread)} to ${point(center + 1.96 * spread)})`
}

const shortP = (p: number) => (p >= 0.0095 ? p.toFixed(2) : p.toExponential(0))

/** Mean with its 95 % interval; texts are resampled, so that the answers of one text stay together. */
function meanDivergence(perText: readonly number[]): string {
  const { low, high } = bootstrapMean(perText)
  return `${mean(perText).toExponential(1)} (${low.toExponential(1)} to ${high.toExponential(1)})`
}

async function measure(protocol: NeedleProtocol): Promise<void> {
  const model = await loadModel(modelFolder, {
    methods: registry,
    ...(flags.threads !== undefined && { threads: Number(flags.threads) }),
  })
  const { tokenizer } = model
  if (!tokenizer) throw new Error('The reference model comes with a tokenizer.')
  const all = ['none+none', ...specs]
  const tallies = all.map((): Tally => ({ right: [], divergence: [], bytes: 0 }))
  const cases = needleCases({
    seed: flags.seed,
    tokens: Number(flags.tokens),
    keys: 16,
    samples: Number(flags.samples),
    countTokens: (text) => tokenizer.encode(text, { special: false }).length,
    protocol,
    questionsPerText: protocol === 'query-aware' ? 1 : 4,
  })
  for (const [n, { prompt, questions }] of cases.entries()) {
    const contexts = await model.prefill(prompt, { compression: all, onWarning: () => {} })
    const nats = all.map((): number[] => [])
    for (const { text, answer } of questions) {
      const wanted = ` ${answer}.`
      const ids = tokenizer.encode(wanted, { special: false })
      let full: Float32Array[] | undefined
      for (const [i, context] of contexts.entries()) {
        const { steps, right } = await ask(context, text, ids, wanted)
        full ??= steps
        tallies[i]!.right.push(right)
        // The first token of a question inside the prompt comes from the exact prefill: nothing to compare there.
        const first = protocol === 'query-aware' ? 1 : 0
        nats[i]!.push(mean(full.map((log, t) => divergence(steps[t]!, log).kl).slice(first)))
      }
    }
    for (const [i, context] of contexts.entries()) {
      tallies[i]!.bytes += context.bytes / cases.length
      tallies[i]!.divergence.push(mean(nats[i]!))
      await context.dispose()
    }
    process.stderr.write(`\r${protocol}: ${n + 1} of ${cases.length} texts`)
  }
  await model.dispose()
  process.stderr.write('\n')
  const full = tallies[0]!
  console.log(
    `\n## ${protocol}: ${cases.length} texts of ${flags.tokens} tokens, ${full.right.length} answers\n`,
  )
  console.log(
    '| spec | share of full bytes | right | difference in points (95 %) | p (Holm) | divergence in nats (95 %) |',
  )
  console.log('| --- | --- | --- | --- | --- | --- |')
  const adjusted = holm(tallies.slice(1).map(({ right }) => mcnemarExact(...discordant(full.right, right))))
  for (const [i, spec] of all.entries()) {
    const { right, divergence: perText, bytes } = tallies[i]!
    const cells = [
      `\`${spec}\``,
      `${((100 * bytes) / full.bytes).toFixed(1)} %`,
      `${right.filter(Boolean).length} of ${right.length}`,
      i === 0 ? '' : difference(full.right, right),
      i === 0 ? '' : shortP(adjusted[i - 1]!),
      i === 0 ? '' : meanDivergence(perText),
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
  if (flags.pairs) printPairs(all.slice(1), tallies.slice(1))
}

const budgetOf = (spec: string) => JSON.stringify(parseSpec(spec).budget)

/** Every two rows of the same budget against each other. */
function printPairs(names: readonly string[], tallies: readonly Tally[]): void {
  const pairs = names
    .flatMap((_, b) => names.slice(0, b).map((__, a) => [a, b] as const))
    .filter(([a, b]) => budgetOf(names[a]!) === budgetOf(names[b]!))
  const rightOf = (row: number) => tallies[row]!.right
  const adjusted = holm(pairs.map(([a, b]) => mcnemarExact(...discordant(rightOf(a), rightOf(b)))))
  console.log('\n| first | second | right | second minus first, in points (95 %) | p (Holm) |')
  console.log('| --- | --- | --- | --- | --- |')
  for (const [i, [a, b]] of pairs.entries()) {
    const right = [a, b].map((row) => rightOf(row).filter(Boolean).length).join(' and ')
    console.log(
      `| \`${names[a]}\` | \`${names[b]}\` | ${right} | ${difference(rightOf(a), rightOf(b))} | ${shortP(adjusted[i]!)} |`,
    )
  }
}

if (flags.protocol !== 'query-agnostic') await measure('query-aware')
if (flags.protocol !== 'query-aware') await measure('query-agnostic')
