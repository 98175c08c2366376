import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadPunktParameters, parsePunktJson } from '../../src/punkt/punkt-parameters.ts'
import { punktSplitter } from '../../src/punkt/punkt-splitter.ts'
import { splitSimply } from '../../src/punkt/simple-splitter.ts'

interface Recorded {
  parameters: {
    abbrev_types: string[]
    collocations: [string, string][]
    sent_starters: string[]
    ortho_context: Record<string, number>
  }
  cases: [text: string, sentences: string[]][]
}

let recorded: Recorded
let folder = ''

beforeAll(async () => {
  // NLTK 3.8.1 over made-up parameters and texts.
  recorded = JSON.parse(
    await readFile(new URL('../goldens/punkt-cases.json', import.meta.url), 'utf8'),
  ) as Recorded
  folder = await mkdtemp(join(tmpdir(), 'punkt-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

describe('the Punkt splitter', () => {
  it('cuts texts where NLTK cuts them', () => {
    const split = punktSplitter(parsePunktJson(JSON.stringify(recorded.parameters), 'punkt.json'))
    const wrong = recorded.cases.filter(
      ([text, sentences]) => JSON.stringify(split(text)) !== JSON.stringify(sentences),
    )
    expect(recorded.cases).toHaveLength(156)
    expect(wrong).toEqual([])
  })

  it('reads the folder layout of punkt_tab as well', async () => {
    const { abbrev_types, collocations, sent_starters, ortho_context } = recorded.parameters
    const contexts = Object.entries(ortho_context)
    await writeFile(join(folder, 'abbrev_types.txt'), abbrev_types.join('\n'))
    await writeFile(join(folder, 'collocations.tab'), collocations.map((pair) => pair.join('\t')).join('\n'))
    await writeFile(join(folder, 'sent_starters.txt'), `${sent_starters.join('\n')}\n`)
    await writeFile(join(folder, 'ortho_context.tab'), contexts.map((pair) => pair.join('\t')).join('\n'))
    expect(await loadPunktParameters(folder)).toEqual(
      parsePunktJson(JSON.stringify(recorded.parameters), 'x'),
    )
  })

  it('names file and line of malformed parameters', async () => {
    await writeFile(join(folder, 'ortho_context.tab'), 'the\t12\nboat twelve\n')
    await expect(loadPunktParameters(folder)).rejects.toThrow(
      'ortho_context.tab:2: expected "word<TAB>number"',
    )
    await expect(loadPunktParameters(join(folder, 'none'))).rejects.toThrow(
      'none: the Punkt parameters cannot be read',
    )
    expect(() => parsePunktJson('{"abbrev_types": 3}', 'p.json')).toThrow('p.json: expected')
  })
})

describe('the simple splitter', () => {
  it('cuts before capitals, digits and quotes, and keeps closing quotes', () => {
    expect(splitSimply('It rains. "So what?" 3 boats left!  they sank. Then')).toEqual([
      'It rains.',
      '"So what?"',
      '3 boats left!  they sank.',
      'Then',
    ])
    expect(splitSimply('  ')).toEqual([])
  })
})
