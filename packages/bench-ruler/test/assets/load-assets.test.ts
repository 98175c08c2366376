import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadAssets } from '../../src/assets/load-assets.ts'
import { parseTemplates } from '../../src/assets/parse-templates.ts'
import { loadOwnAssets, ownAssetsFolder } from '../../src/own-assets.ts'

let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'assets-'))
  await cp(ownAssetsFolder, folder, { recursive: true })
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

describe('loadAssets', () => {
  it('reads the own stand-ins, which say what they are', async () => {
    const own = await loadOwnAssets()
    expect(own.name).toBe('own')
    expect(own.nouns.length).toBeGreaterThan(200)
    expect(own.squad?.questions).toHaveLength(80)
    expect(own.hotpotqa?.questions).toHaveLength(12)
    expect(own.splitSentences?.('A walk. A boat.')).toEqual(['A walk.', 'A boat.'])
  })

  it('joins the essays in the order of their names, or takes PaulGrahamEssays.json before them', async () => {
    const first = await readFile(join(folder, 'essays', 'walk-1.txt'), 'utf8')
    await writeFile(join(folder, 'essays', 'walk-0.txt'), 'Before.\r\nAll.\r\n')
    expect((await loadAssets(folder)).essay?.startsWith(`Before.\nAll.\n${first}`)).toBe(true)
    await writeFile(join(folder, 'PaulGrahamEssays.json'), '{"text": "One text."}')
    expect((await loadAssets(folder)).essay).toBe('One text.')
  })

  it('keeps odd entries of word lists but for white space at their ends', async () => {
    await writeFile(join(folder, 'nounlist.txt'), 'ice cream\r\n boat \n')
    expect((await loadAssets(folder)).nouns).toEqual(['ice cream', ' boat'])
  })

  it('finds Punkt parameters, English words, and does without optional files', async () => {
    await writeFile(
      join(folder, 'punkt.json'),
      '{"abbrev_types": ["mr"], "collocations": [], "sent_starters": [], "ortho_context": {}}',
    )
    await writeFile(join(folder, 'english_words.json'), '{"0": "one", "1": "two"}')
    await rm(join(folder, 'squad.json'))
    const assets = await loadAssets(folder)
    expect(assets.splitSentences?.('Mr. Boat. Sea.')).toEqual(['Mr. Boat.', 'Sea.'])
    expect(assets.englishWords).toEqual(['one', 'two'])
    expect(assets.squad).toBeUndefined()
    await mkdir(join(folder, 'punkt_tab', 'english'), { recursive: true })
    await rm(join(folder, 'punkt.json'))
    await expect(loadAssets(folder)).rejects.toThrow('abbrev_types.txt: the Punkt parameters cannot be read')
  })

  it.each([
    ['templates.json', null, 'templates.json: the assets need this file'],
    ['nounlist.txt', null, 'nounlist.txt: the assets need this file'],
    ['verblist.txt', '', 'verblist.txt: expected one word a line'],
    ['squad.json', '{"data": 3}', 'squad.json: expected a SQuAD 2.0 file'],
    ['squad.json', '{"data": []}', 'squad.json: no answerable question'],
    ['hotpotqa.json', 'x', 'hotpotqa.json: expected a HotpotQA file'],
    ['english_words.json', 'version https://git-lfs.example', 'english_words.json: the file is not JSON'],
    ['english_words.json', '{"a": 1}', 'english_words.json: expected an object whose values are words'],
    ['PaulGrahamEssays.json', '{"essays": []}', 'PaulGrahamEssays.json: expected {"text"'],
  ])('names %s when it holds %j', async (name, content, message) => {
    if (content === null) await rm(join(folder, name))
    else await writeFile(join(folder, name), content)
    await expect(loadAssets(folder)).rejects.toThrow(message)
  })
})

describe('parseTemplates', () => {
  it.each([
    ['{', 'the file is not JSON'],
    ['3', 'expected a JSON object'],
    ['{"needle": 3}', '"needle" must be a text'],
  ])('refuses %s', (text, message) => {
    expect(() => parseTemplates(text, 't.json')).toThrow(`t.json: ${message}`)
  })

  it('refuses templates without the slots that a sample needs', async () => {
    const text = await readFile(join(ownAssetsFolder, 'templates.json'), 'utf8')
    const change = (from: string, to: string) => () => parseTemplates(text.replace(from, to), 't.json')
    expect(change('{value}.', 'x.')).toThrow('"needle" must hold {value}')
    expect(change('{context}', 'x')).toThrow('"tasks.niah.template" must hold {context}')
    expect(change('"\\nAnswer: The special', '"{query}')).toThrow('no slot in its first ten characters')
    expect(change('"singular": [', '"singular": [3, ')).toThrow('"singular" must be a list of pairs')
    expect(change('"freq_words_extraction"', '"other"')).toThrow(
      '"tasks.freq_words_extraction.template" must be a text',
    )
  })
})
