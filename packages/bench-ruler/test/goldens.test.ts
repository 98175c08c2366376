import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkGoldens } from '../src/goldens/check-goldens.ts'
import type { GoldenAssets } from '../src/goldens/check-file-goldens.ts'
import { loadGoldenAssets } from '../src/goldens/load-golden-assets.ts'
import { loadOwnAssets, ownAssetsFolder } from '../src/own-assets.ts'
import { generateTask } from '../src/tasks/generate-task.ts'
import { rulerRowLine } from '../src/tasks/ruler-row.ts'

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
