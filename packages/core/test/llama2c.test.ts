import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { loadModel } from '../src/index.ts'
import { llama2cFolder, llama2cTensors, readLlama2c, type Llama2cSizes } from './support/llama2c.ts'
import { randomValues } from './native/support/random-values.ts'

const sizes: Llama2cSizes = { dim: 32, hidden: 44, layers: 3, heads: 4, kvHeads: 2, vocab: 61, context: 64 }
const ids = Array.from({ length: 40 }, (_, i) => (i * 17 + 5) % sizes.vocab)

/** A file of random weights in llama2.c's legacy form. */
function legacyFile(): Buffer {
  const header = Buffer.alloc(28)
  for (const [i, size] of Object.values(sizes).entries()) header.writeInt32LE(size as number, 4 * i)
  const tensors = llama2cTensors(sizes).map(([name, shape], i) => {
    const count = shape.reduce((product, n) => product * n, 1)
    const scale = name === 'embed' ? 1 : 1.5 / Math.sqrt(shape.at(-1) ?? 1)
    const values = randomValues(count, i + 1).map((x) =>
      name.toLowerCase().includes('norm') ? 1 + x / 4 : x * scale,
    )
    return Buffer.from(Float32Array.from(values).buffer)
  })
  return Buffer.concat([header, ...tensors])
}

/** Logits of every position by the file's own rules, in double: neighbouring channels turn together. */
function forward(file: Buffer): number[] {
  const { tensors } = readLlama2c(file)
  const { dim, hidden, layers, heads, kvHeads, vocab } = sizes
  const headDim = dim / heads
  const get = (name: string) => tensors.get(name) ?? new Float32Array()
  const norm = (x: number[], w: Float32Array) => {
    const mean = x.reduce((sum, v) => sum + v * v, 0) / dim
    return x.map((v, i) => (v / Math.sqrt(mean + 1e-5)) * (w[i] ?? 0))
  }
  const times = (x: readonly number[], w: Float32Array, rows: number) =>
    Array.from({ length: rows }, (_, r) => x.reduce((sum, v, i) => sum + v * (w[r * x.length + i] ?? 0), 0))
  const turn = (x: number[], position: number) =>
    x.map((v, i) => {
      const angle = position * 10_000 ** (-((i % headDim) - (i % 2)) / headDim)
      return i % 2 === 0
        ? v * Math.cos(angle) - (x[i + 1] ?? 0) * Math.sin(angle)
        : v * Math.cos(angle) + (x[i - 1] ?? 0) * Math.sin(angle)
    })
  let rows = ids.map((id) => [...get('embed').subarray(id * dim, (id + 1) * dim)])
  for (let l = 0; l < layers; l++) {
    const of = (name: string) => {
      const all = get(name)
      return all.subarray((l * all.length) / layers, ((l + 1) * all.length) / layers)
    }
    const normed = rows.map((x) => norm(x, of('attentionNorm')))
    const kv = headDim * kvHeads
    const q = normed.map((x, t) => turn(times(x, of('q'), dim), t))
    const k = normed.map((x, t) => turn(times(x, of('k'), kv), t))
    const v = normed.map((x) => times(x, of('v'), kv))
    rows = rows.map((x, t) => {
      const mixed = Array.from({ length: heads }, (_, h) => {
        const from = Math.floor(h / (heads / kvHeads)) * headDim
        const scores = k.slice(0, t + 1).map((key) => {
          let dot = 0
          for (let i = 0; i < headDim; i++) dot += (q[t]?.[h * headDim + i] ?? 0) * (key[from + i] ?? 0)
          return Math.exp(dot / Math.sqrt(headDim))
        })
        const total = scores.reduce((sum, p) => sum + p, 0)
        return Array.from({ length: headDim }, (_, i) =>
          scores.reduce((sum, p, s) => sum + (p / total) * (v[s]?.[from + i] ?? 0), 0),
        )
      }).flat()
      const y = times(mixed, of('o'), dim).map((more, i) => more + (x[i] ?? 0))
      const z = norm(y, of('mlpNorm'))
      const up = times(z, of('up'), hidden)
      const inner = times(z, of('gate'), hidden).map((g, i) => (g / (1 + Math.exp(-g))) * (up[i] ?? 0))
      return times(inner, of('down'), dim).map((more, i) => more + (y[i] ?? 0))
    })
  }
  return rows.flatMap((x) => times(norm(x, get('norm')), get('embed'), vocab))
}

it('a llama2.c file, converted, gives the logits of its own rules: heads of 8 channels, the table under lm_head', async () => {
  const file = legacyFile()
  await using model = await loadModel(llama2cFolder(file), { precision: 'f32', threads: 2 })
  expect(model.facts.headDim).toBe(8)
  const { logits } = await model.logits(ids)
  const wanted = forward(file)
  expect(Math.max(...wanted.map(Math.abs))).toBeGreaterThan(0.5)
  expect(Math.max(...wanted.map((value, i) => Math.abs(value - (logits[i] ?? NaN))))).toBeLessThan(1e-4)
})

// A file at hand, such as karpathy's stories260K.bin: QPKV_LLAMA2C=path vitest run llama2c
it.skipIf(process.env['QPKV_LLAMA2C'] === undefined)(
  'a file at hand writes on from its first token',
  async () => {
    await using model = await loadModel(llama2cFolder(readFileSync(process.env['QPKV_LLAMA2C'] ?? '')), {
      threads: 2,
    })
    await using context = await model.prefill([1])
    const { tokens } = await context.generate({ maxTokens: 200, temperature: 0 }).result
    expect(new Set(tokens).size).toBeGreaterThan(20)
    console.log(tokens.join(' '))
  },
)
