import { expect, test } from 'vitest'
import {
  createSegmenter,
  loadSegmenter,
  parseDictionary,
  parseHmmModel,
  parseProbFiles,
} from '../src/index.ts'
import { exactLog } from '../src/jieba/exact-log.ts'
import { scratchFolder } from './helpers/scratch.ts'

test('logarithms are rounded correctly where V8 is one unit off', () => {
  expect(exactLog(1)).toBe(0)
  expect(exactLog(2)).toBe(Math.LN2)
  // CPython: math.log(n).hex()
  const known: [number, number][] = [
    [3, 1.0986122886681098],
    [48, 3.871201010907891],
    [74, 4.30406509320417],
    [185, 5.220355825078324],
  ]
  for (const [count, log] of known) expect(exactLog(count)).toBe(log)
})

/** Tables in which every character begins, ends or is a word alike; B, M, E, S by the transitions only. */
const characters = Array.from({ length: 1200 }, (_, at) => String.fromCharCode(0x4e00 + at))
const emission = Object.fromEntries(characters.map((one) => [one, -7]))
const prob = (table: unknown): string => `P=${JSON.stringify(table).replaceAll('"', "'")}\n`
const probFiles = {
  'prob_start.py': prob({ B: -0.3, E: -3.14e100, M: -3.14e100, S: -1.4 }),
  'prob_trans.py': prob({
    B: { E: -0.5, M: -0.9 },
    E: { B: -0.6, S: -0.8 },
    M: { E: -0.3, M: -1.3 },
    S: { B: -0.7, S: -0.7 },
  }),
  'prob_emit.py': prob({ B: emission, E: emission, M: emission, S: emission }),
}

test('a dictionary word wins, the rest goes by the model, other text by pattern', () => {
  const files = Object.entries(probFiles).map(([file, text]) => ({ file, text }))
  const [start, trans, emit] = files
  if (!start || !trans || !emit) throw new Error('Expected three files.')
  const tables = parseProbFiles({ start, trans, emit })
  const cut = createSegmenter(parseDictionary('一丁 50 n\n七 20 n\n丈 20 n\n', 'dict.txt'), tables)
  expect(cut('一丁七丈')).toEqual(['一丁', '七丈'])
  expect(cut('x-23 1+1 2.5%')).toEqual(['x', '-', '23', ' ', '1', '+', '1', ' ', '2.5%'])
  expect(cut('a\r\nb\u{20bb7}\u3000。')).toEqual(['a', '\r\n', 'b', '\u{20bb7}', '\u3000', '。'])
  expect(cut('')).toEqual([])
})

test('tables are found in the assets folder, in either form, and broken ones are named', async () => {
  const folder = await scratchFolder(
    Object.fromEntries(Object.entries(probFiles).map(([name, text]) => [`jieba/finalseg/${name}`, text])),
  )
  const cut = await loadSegmenter(folder)
  expect(cut('厦门大学').join('')).toBe('厦门大学')
  const broken = await scratchFolder({ 'hmm_model.utf8': '#prob_start\n1 2 3\n' })
  await expect(loadSegmenter(broken)).rejects.toThrow(/hmm_model.utf8: the tables of the four states/)
  expect(() => parseDictionary('一丁 x\n', 'dict.txt')).toThrow(/dict.txt:1: expected "word count tag"/)
})

test("cppjieba's file gives the same tables", () => {
  const line = characters.map((one) => `${one}:-7`).join(',')
  const text = [
    '#start',
    '-0.3 -3.14e+100 -3.14e+100 -1.4',
    '#trans',
    '0 -0.5 -0.9 0',
    '-0.6 0 0 -0.8',
    '0 -0.3 -1.3 0',
    '-0.7 0 0 -0.7',
    '#emit',
    line,
    line,
    line,
    line,
    '',
  ]
  const tables = parseHmmModel(text.join('\n'), 'hmm_model.utf8')
  expect(tables.start).toEqual({ B: -0.3, E: -3.14e100, M: -3.14e100, S: -1.4 })
  expect(tables.transition.B).toMatchObject({ E: -0.5, M: -0.9 })
  expect(tables.emission.M.get('一')).toBe(-7)
})
