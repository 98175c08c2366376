import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { checkGoldens, type CheckOptions, type FamilyResult } from '../src/index.ts'

/*
 * The check itself: a small folder of vectors passes, and a planted fault (one flipped code, one
 * swapped score) makes it fail. The vectors are written here from KIVI's and StreamingLLM's rules,
 * so that the test needs no folder from outside.
 */

const folder = mkdtempSync(join(tmpdir(), 'qpkv-goldens-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const TOKENS = 32
const DIM = 32
const BITS = 2

/** Seeded values in [-2, 2). */
function values(count: number): Float32Array {
  let state = 7
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state / 2 ** 32) * 4 - 2
  })
}

function writeKiviVectors(): void {
  const at = join(folder, 'quantizers')
  mkdirSync(at)
  const x = values(TOKENS * DIM)
  const codes = new Uint8Array(x.length)
  const scales = new Float32Array(DIM)
  const minima = new Float32Array(DIM)
  const words = new Int32Array((TOKENS * DIM * BITS) / 32)
  const levels = 2 ** BITS - 1
  for (let c = 0; c < DIM; c++) {
    const channel = Float32Array.from({ length: TOKENS }, (_, t) => x[t * DIM + c] ?? 0)
    const [low, high] = [Math.min(...channel), Math.max(...channel)]
    const scale = Math.fround(Math.fround(high - low) / levels)
    scales[c] = scale
    minima[c] = low
    channel.forEach((value, t) => {
      const code = Math.min(levels, Math.max(0, Math.round(Math.fround(Math.fround(value - low) / scale))))
      codes[t * DIM + c] = code
      const word = Math.floor(t / (32 / BITS)) * DIM + c
      words[word] = (words[word] ?? 0) | (code << (BITS * (t % (32 / BITS))))
    })
  }
  writeFileSync(join(at, 'x.bin'), x)
  writeFileSync(join(at, 'codes.bin'), codes)
  writeFileSync(join(at, 'meta.bin'), Buffer.concat([Buffer.from(scales.buffer), Buffer.from(minima.buffer)]))
  writeFileSync(join(at, 'words.bin'), words)
  const manifest = {
    inputs: { x: { file: 'x.bin', byte_offset: 0, shape: [1, 1, TOKENS, DIM] } },
    kivi_pack: [
      {
        tensor: 'x',
        which: 'k',
        bits: BITS,
        group_size: TOKENS,
        packed: { file: 'words.bin', shape: [1, 1, 2, DIM] },
        codes: { file: 'codes.bin', shape: [1, 1, TOKENS, DIM] },
        scale: { file: 'meta.bin', byte_offset: 0, shape: [1, 1, 1, 1, DIM] },
        min: { file: 'meta.bin', byte_offset: 4 * DIM, shape: [1, 1, 1, 1, DIM] },
      },
    ],
  }
  writeFileSync(join(at, 'manifest.json'), JSON.stringify(manifest))
}

/** Packages of the repository keep small parts of the recorded sets; their selections make a pruner folder. */
function writePrunerVectors(): void {
  const at = join(folder, 'pruners')
  mkdirSync(at)
  const [heads, tokens] = [1, 40]
  writeFileSync(join(at, 'q.bin'), values(heads * tokens * DIM))
  writeFileSync(join(at, 'k.bin'), values(heads * tokens * DIM))
  const kept = Int32Array.from([0, 1, 2, 3, 32, 33, 34, 35, 36, 37, 38, 39])
  writeFileSync(join(at, 'kept.bin'), kept)
  writeFileSync(join(at, 'scores.bin'), new Float32Array(0))
  const manifest = {
    index_file: 'kept.bin',
    score_file: 'scores.bin',
    inputs: {
      x: {
        q_file: 'q.bin',
        k_file: 'k.bin',
        q_shape: [1, heads, tokens, DIM],
        k_shape: [1, heads, tokens, DIM],
      },
    },
    cases: [
      {
        id: 'streaming',
        reference: 'qpruningkv',
        method: 'streamingllm',
        input: 'x',
        gqa_mode: 'query_head(repeat_kv)',
        gqa_score_agg: null,
        params: { window_size: 8, max_capacity_prompt: 12 },
        n_tokens: tokens,
        num_stored_heads: heads,
        kept_count: [12],
        kept_offset: 0,
        pruned: true,
      },
      { id: 'later', reference: 'kvcache-factory', method: 'headkv', input: 'x' },
    ],
  }
  writeFileSync(join(at, 'manifest.json'), JSON.stringify(manifest))
}

writeKiviVectors()
writePrunerVectors()

async function run(options: CheckOptions = {}, from = folder): Promise<FamilyResult[]> {
  const results: FamilyResult[] = []
  for await (const result of checkGoldens(from, { families: ['pruners', 'quantizers'], ...options }))
    results.push(result)
  return results
}

test('vectors pass on every table; methods that do not exist are listed', async () => {
  const results = await run()
  expect(results.reduce((sum, { failed }) => sum + failed, 0)).toBe(0)
  const packs = results.filter(({ family }) => family === 'kivi packs')
  expect(packs.length).toBeGreaterThanOrEqual(3)
  expect(packs.every(({ passed }) => passed === 1)).toBe(true)
  expect(results.find(({ family }) => family === 'pruners')?.missingMethods).toEqual(['headkv'])
})

test('one flipped code is noticed', async () => {
  const results = await run({
    fault: { codes: (codes) => (codes[3] = (codes[3] ?? 0) ^ 1) },
    tables: ['scalar'],
  })
  expect(results.find(({ family }) => family === 'kivi packs')?.failed).toBe(1)
})

test('one wrong position is noticed', async () => {
  const copy = mkdtempSync(join(tmpdir(), 'qpkv-goldens-'))
  cpSync(folder, copy, { recursive: true })
  const file = join(copy, 'pruners/kept.bin')
  const bytes = readFileSync(file)
  bytes.writeInt32LE(5, 12)
  writeFileSync(file, bytes)
  const results = await run({ tables: ['scalar'] }, copy)
  rmSync(copy, { recursive: true })
  expect(results.find(({ family }) => family === 'pruners')?.failed).toBe(1)
})
