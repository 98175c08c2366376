import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateTask, loadOwnAssets, ownAssetsFolder, rulerRowLine } from '@qpkv/bench-ruler'
import type { GoldenAssets } from '../src/check-goldens/ruler/check-file-goldens.ts'
import { checkGoldens } from '../src/check-goldens/ruler/check-goldens.ts'
import { checkMetricGoldens } from '../src/check-goldens/ruler/check-metric-goldens.ts'
import { loadGoldenAssets } from '../src/check-goldens/ruler/load-golden-assets.ts'

let folder = ''
let golden: GoldenAssets

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ruler-'))
  await mkdir(join(folder, 'ruler', '1024'), { recursive: true })
  golden = { assets: await loadOwnAssets(), tokenizer: { countTokens: (text) => text.split(' ').length } }
  const rows = [...generateTask('fwe', { scripts: 'current', length: 1024, samples: 2, ...golden })]
  await writeFile(join(folder, 'ruler', '1024', 'fwe.jsonl'), rows.map(rulerRowLine).join(''))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

describe('checkGoldens', () => {
  it('rebuilds files byte for byte', async () => {
    const results = await checkGoldens(folder, golden)
    expect(results.at(-1)).toEqual({ family: 'ruler', passed: 1, failed: 0, firstDifferences: [] })
  })

  it('shows where a file differs, and which task lacks its assets', async () => {
    const { squad, ...assets } = golden.assets
    await writeFile(join(folder, 'ruler', '1024', 'vt.jsonl'), '{"index": 1}\n')
    await writeFile(join(folder, 'ruler', '1024', 'qa_1.jsonl'), '{"index": 0}\n')
    const ruler = (await checkGoldens(folder, { ...golden, assets })).at(-1)
    expect(squad).toBeDefined()
    expect(ruler).toMatchObject({ passed: 1, failed: 1 })
    expect(ruler?.firstDifferences[0]).toContain('vt at 1024, character 10: expected ')
    expect(ruler?.notChecked).toContain('qa_1 at 1024')
  })

  it('checks no file without assets, and says so', async () => {
    const ruler = (await checkGoldens(folder)).at(-1)
    expect(ruler).toMatchObject({ passed: 0, failed: 0 })
    expect(ruler?.notChecked).toContain('need the official assets')
    expect(
      (await checkGoldens(join(folder, 'none'))).every((result) => result.notChecked !== undefined),
    ).toBe(true)
  })

  it('takes a folder with assets and tokenizer, and says what it lacks', async () => {
    const assets = join(folder, 'assets', 'ruler')
    await cp(ownAssetsFolder, assets, { recursive: true })
    const lacking = (await checkGoldens(folder, join(folder, 'assets'))).at(-1)
    expect(lacking?.passed).toBe(0)
    expect(lacking?.notChecked).toContain('tokenizer.json: the golden files need this file')
    const definition = {
      version: '1.0',
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: { type: 'WhitespaceSplit' },
      post_processor: null,
      decoder: null,
      model: { type: 'WordLevel', vocab: { '[UNK]': 0 }, unk_token: '[UNK]' },
    }
    await writeFile(join(assets, 'tokenizer.json'), JSON.stringify(definition))
    const { tokenizer } = await loadGoldenAssets(join(folder, 'assets'))
    expect(tokenizer.countTokens('a b\nc')).toBe(3)
  })
})

let metrics = ''

beforeAll(async () => {
  metrics = await mkdtemp(join(tmpdir(), 'ruler-'))
  await mkdir(join(metrics, 'metrics'))
  for (const name of ['ruler_single.jsonl', 'ruler_batch.jsonl']) {
    await cp(
      fileURLToPath(new URL(`../../packages/bench-ruler/test/goldens/${name}`, import.meta.url)),
      join(metrics, 'metrics', name),
    )
  }
})

afterAll(async () => {
  await rm(metrics, { recursive: true })
})

describe('RULER metrics', () => {
  it('equal the recorded ones of RULER, QPruningKV and kvpress', async () => {
    expect(await checkMetricGoldens(metrics)).toEqual([
      { family: 'ruler_single', passed: 46, failed: 0, firstDifferences: [] },
      { family: 'ruler_batch', passed: 40, failed: 0, firstDifferences: [] },
    ])
  })

  it('name row and values where a recorded score differs, and say which lines they could not read', async () => {
    const path = join(metrics, 'metrics', 'ruler_batch.jsonl')
    const text = await readFile(path, 'utf8')
    const broken = await mkdtemp(join(tmpdir(), 'ruler-'))
    await mkdir(join(broken, 'metrics'))
    await writeFile(
      join(broken, 'metrics', 'ruler_batch.jsonl'),
      text.replace('"nulls": "', '"nulls": "9') + 'x\n',
    )
    const [single, batch] = await checkMetricGoldens(broken)
    await rm(broken, { recursive: true })
    expect(single?.notChecked).toContain('is missing')
    expect(batch?.failed).toBe(1)
    expect(batch?.firstDifferences[0]).toMatch(/^ruler_batch-\d+: nulls: expected "9/)
    expect(batch?.notChecked).toContain('1 lines')
  })
})
