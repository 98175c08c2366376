import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runBenchmark, specIdOf, type NamedSpec, type SampleRecord } from '@qpkv/bench-kit'
import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { parseSpec } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { text, textBlocks } from '../src/index.ts'
import { temporaryFolder } from './temporary-folder.ts'

let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { methods: registry, threads: 2, precision: 'f32' })
})
afterAll(() => model.dispose())

const row = (spec: string): NamedSpec => ({ label: spec, spec: parseSpec(spec) })
const story = Array.from(
  { length: 40 },
  (_, i) =>
    `The special magic number for ${i % 2 ? 'amber' : 'brave'}-acorn is: ${1_000_003 * (i + 1)}. The red boat crosses the hill. `,
).join('')

async function run(specs: readonly NamedSpec[], options: object = {}) {
  const folder = temporaryFolder()
  const file = join(folder, 'story.txt')
  writeFileSync(file, story)
  const shared = { model, identity: { name: 'm', fingerprint: 'f' }, specs, path: join(folder, 'r.jsonl') }
  return runBenchmark(text, { file, context: 96, stride: 20, blocks: 2, ...options }, shared)
}
const scores = (records: readonly SampleRecord[], { spec }: NamedSpec) =>
  records.filter((record) => record.spec === specIdOf(spec)).map(({ answers }) => answers[0]?.scores)

describe('blocks of a text', () => {
  it('judge every token behind the first context once', () => {
    const ids = Array.from({ length: 50 }, (_, i) => i)
    const blocks = textBlocks(ids, 7, 5)
    expect(blocks.flatMap(({ follows }) => follows.slice(1))).toEqual(ids.slice(8, 48))
    for (const { from, context, follows } of blocks) {
      expect(context).toEqual(ids.slice(from, from + 7))
      expect(follows[0]).toBe(from + 7)
    }
  })

  it('are none where the text is too short', () => {
    expect(textBlocks([1, 2, 3, 4], 2, 2)).toEqual([])
    expect(textBlocks([1, 2, 3, 4, 5], 2, 2)).toHaveLength(1)
  })
})

describe('bench text', () => {
  const [full, coarse] = [row('none+none'), row('streamingllm+kivi:bits=2,group=32,recent=8@32t')]

  it('gives the full cache its own likelihood, and others their distance', async () => {
    const { records } = await run([full, coarse])
    const tokenizer = model.tokenizer!
    const begin = tokenizer.encode('')
    const ids = tokenizer.encode(story, { special: false })
    const [block] = textBlocks(ids, 96, 20)
    const { vocabSize } = model.config
    const { logits } = await model.logits([...begin, ...block!.context, ...block!.follows])
    const losses = block!.follows.slice(1).map((token, i) => {
      const at = begin.length + 96 + i
      const one = Array.from(logits.subarray(at * vocabSize, (at + 1) * vocabSize))
      return Math.log(one.reduce((sum, value) => sum + Math.exp(value), 0)) - one[token]!
    })
    const [own] = scores(records, full)
    expect(own!['nll']).toBeCloseTo(losses.reduce((sum, loss) => sum + loss, 0) / 20, 3)
    expect(own).toMatchObject({ top1: 1, excessNll: 0 })
    expect(own!['kl']).toBeLessThan(1e-9)
    for (const [i, score] of scores(records, coarse).entries()) {
      expect(score!['kl']).toBeGreaterThan(0.01)
      expect(score!['excessNll']).toBeCloseTo(score!['nll']! - scores(records, full)[i]!['nll']!, 9)
      expect(score!['top1']).toBeLessThan(1)
    }
  })

  it('gives what decoding token by token gives', async () => {
    const { records } = await run([coarse], { stride: 3, blocks: 1 })
    const tokenizer = model.tokenizer!
    const [block] = textBlocks(tokenizer.encode(story, { special: false }), 96, 3)
    await using context = await model.prefill([...tokenizer.encode(''), ...block!.context], {
      compression: coarse.spec,
    })
    let nll = 0
    for (const [i, token] of block!.follows.entries()) {
      if (i > 0) {
        const logits = Array.from(await context.logits())
        nll += Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0)) - logits[token]!
      }
      await context.append([token])
    }
    // Decode and append steps round differently.
    expect(scores(records, coarse)[0]!['nll']).toBeCloseTo(nll / 3, 2)
  })

  it('goes on with its file: more blocks extend it', async () => {
    const folder = temporaryFolder()
    const file = join(folder, 'story.txt')
    writeFileSync(file, story)
    const shared = {
      model,
      identity: { name: 'm', fingerprint: 'f' },
      specs: [coarse],
      path: join(folder, 'r.jsonl'),
    }
    const first = await runBenchmark(text, { file, context: 64, stride: 8, blocks: 1 }, shared)
    const both = await runBenchmark(text, { file, context: 64, stride: 8, blocks: 2 }, shared)
    expect(both.records).toHaveLength(2)
    expect(both.records[0]).toEqual(first.records[0])
    expect(both.table).toMatch(/spec .*perplexity .*KL nats/)
  })

  it.each([
    [{ context: 9000 }, /A block of 9000 \+ 20 tokens needs/],
    [{ context: 5000, stride: 500 }, /tokens; a block of 5000 \+ 500 needs 5501/],
    [{ file: 'nowhere.txt' }, /Cannot read nowhere.txt/],
    [{ file: undefined }, /needs a text/],
  ])('refuses %j', async (options, message) => {
    await expect(run([full], options)).rejects.toThrow(message)
  })
})
