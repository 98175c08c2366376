import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  budgetKinds,
  checkSpec,
  KvError,
  parsePruneText,
  parseSpec,
  printPrune,
  printSpec,
  type CompressionSpec,
  type SpecInput,
} from '../src/index.ts'

const name = fc.stringMatching(/^(@[a-z]{1,5}\/)?[a-z][a-z0-9-]{0,8}$/)
/** Names that the text form has to quote. */
const tildeName = fc.stringMatching(/^[a-z]{1,3}~[a-z]{0,3}$/)
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string(),
    fc.constantFrom('a~b', '~', '~/file.json', "it's", 'x#y', 'a@1t', 'true', '07', '1e5', '-', '.5'),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.stringMatching(/^[a-z~ ]{1,4}$/), tie('value'), { maxKeys: 2 }),
  ),
})).value
const method = fc
  .tuple(
    fc.oneof({ weight: 4, arbitrary: name }, tildeName),
    fc.dictionary(fc.stringMatching(/^[a-z][A-Za-z0-9_]{0,6}$/), json, { maxKeys: 3 }),
  )
  .filter(([, options]) => !('method' in options))
  .map(([own, options]) => ({ ...options, method: own }))
const count = fc.integer({ min: 1, max: 1e6 })
const budget = fc.oneof(
  fc.record({ tokens: count }),
  fc.record({ fp16Tokens: count }),
  fc.double({ min: 1e-9, max: 1, noNaN: true }).map((fraction) => ({ fraction })),
  fc.double({ min: 1e-9, max: 1, noNaN: true }).map((byteFraction) => ({ byteFraction })),
  fc.integer({ min: 1, max: 2 ** 40 }).map((bytes) => ({ bytes })),
  fc
    .tuple(count, fc.constantFrom('KiB', 'MiB', 'GiB'))
    .map(([n, unit]) => ({ bytes: `${n % 4000 || 1}${unit}` })),
)
const bits = fc.constantFrom(16, 8, 4, 3, 2, 1)
const settings = fc
  .record(
    {
      tokens: fc.oneof(count, fc.array(count, { minLength: 1, maxLength: 4 })),
      keyBits: bits,
      valueBits: bits,
    },
    { requiredKeys: [] },
  )
  .filter((given) => Object.keys(given).length > 0)
const layers = fc
  .tuple(fc.option(settings, { nil: undefined }), fc.array(settings, { maxLength: 3 }))
  .map(([general, ranged]) => [
    ...(general ? [general] : []),
    ...ranged.map((given, i) => ({ from: 4 * i, to: 4 * i + 2, ...given })),
  ])
const spec = fc
  .record(
    {
      heads: fc.constantFrom('kv', 'query'),
      budget,
      prune: method,
      allocate: method,
      share: method,
      quantize: method,
      layers,
    },
    { requiredKeys: [] },
  )
  .map((input) => checkSpec(input))

test('every spec survives its text, and the text is canonical', () => {
  fc.assert(
    fc.property(spec, (given) => {
      const text = printSpec(given)
      expect(parseSpec(text)).toEqual(given)
      expect(printSpec(parseSpec(text))).toBe(text)
      expect(checkSpec(JSON.parse(JSON.stringify(given)))).toEqual(given)
    }),
    { numRuns: 400 },
  )
})

test('the axes of --prune are those of the whole text', () => {
  fc.assert(
    fc.property(spec, ({ prune, allocate, share }) => {
      const axes = { prune, ...(allocate && { allocate }), ...(share && { share }) }
      const text = printPrune(axes)
      expect(parsePruneText(text)).toEqual(axes)
      expect(parseSpec(`${text}+none`)).toEqual(checkSpec(axes))
    }),
  )
})

test('equal budgets have one text, whatever unit they were written in', () => {
  fc.assert(
    fc.property(
      count,
      fc.constantFrom<[string, number]>(['KiB', 10], ['MiB', 20], ['GiB', 30]),
      (n, [unit, power]) => {
        const whole = `a+b@${n}${unit}`
        const bytes = `a+b@${n * 2 ** power}B`
        expect(parseSpec(whole)).toEqual(parseSpec(bytes))
        expect(printSpec(parseSpec(whole))).toBe(printSpec(parseSpec(bytes)))
      },
    ),
  )
  for (const [bytes, text] of [
    [131072, '128KiB'],
    [1572864, '1.5MiB'],
    [1536, '1.5KiB'],
    [1000, '1000B'],
    [2 ** 31, '2GiB'],
    [300001, '300001B'],
  ] as const)
    expect(budgetKinds.bytes.print(bytes)).toBe(text)
})

test('any text is a spec that prints canonically, or a KvError that names a column or a path', () => {
  const piece = fc.constantFrom(
    'snapkv',
    'ada',
    'kivi',
    '~',
    '~~',
    ':',
    '+',
    '@',
    '#',
    ',',
    '=',
    "'",
    '"',
    '1',
    '64',
    't',
    'x16',
    '%',
    'KiB',
    'heads',
    'kv',
    '0-4',
    '{',
    '}',
    '[',
    ' ',
    'é',
    '\\',
    'keyBits',
    'tokens',
    'none',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
      const text = pieces.join('')
      let read: CompressionSpec
      try {
        read = parseSpec(text)
      } catch (error) {
        if (!KvError.isInstance(error)) throw error
        expect(['KV_INVALID_SPEC', 'KV_INVALID_OPTION', 'KV_CONFLICT']).toContain(error.code)
        return
      }
      expect(parseSpec(printSpec(read))).toEqual(read)
    }),
    { numRuns: 3000 },
  )
})

test.each<[string, SpecInput]>([
  [
    'keydiff~pyramid:beta=20~ada:floor=0.2+kivi:bits=4@128KiB',
    {
      budget: { bytes: 131072 },
      prune: { method: 'keydiff' },
      allocate: { method: 'pyramid', beta: 20 },
      share: { method: 'ada', floor: 0.2 },
      quantize: { method: 'kivi', bits: 4 },
    },
  ],
  ['keydiff~~ada+none', { prune: { method: 'keydiff' }, share: { method: 'ada' } }],
  [
    'keydiff~none~none+none',
    { prune: { method: 'keydiff' }, allocate: { method: 'none' }, share: { method: 'none' } },
  ],
  ['\'"a~b"\'~\'"c~d"\':x=\'"~"\'+none', { prune: { method: 'a~b' }, allocate: { method: 'c~d', x: '~' } }],
  [
    'none+kivi#keyBits=4,valueBits=2',
    { quantize: { method: 'kivi' }, layers: [{ keyBits: 4, valueBits: 2 }] },
  ],
  [
    "none+kivi#keyBits=4#0-2:tokens='[5,6]'",
    { quantize: { method: 'kivi' }, layers: [{ keyBits: 4 }, { from: 0, to: 2, tokens: [5, 6] }] },
  ],
])('%s says where each axis stands', (text, json) => {
  expect(parseSpec(text)).toEqual(checkSpec(json))
  expect(printSpec(json)).toBe(text)
})

test.each([
  ['a~+b', 'column 3', 'allocator is missing'],
  ['a~~+b', 'column 4', 'sharing is missing'],
  ['a~c~+b', 'column 5', 'sharing is missing'],
  ['~c+b', 'column 1', 'pruner is missing'],
  ['a~b~c~d+e', 'column 6', 'a third "~"'],
  ['a+b~c', 'column 4', '"~" cannot stand'],
  ['a:x=1~:y=2+b', 'column 7', 'allocator is missing'],
  ['a+b:x=c~d', 'column 8', 'Quote it'],
  ['a+b@64t~c', 'not a budget', ''],
  ['a+b#0-4:keyBits=8~', 'column 18', '"~"'],
  ["a:x='[1]~c+b", 'never closed', ''],
  ["'1'+b", 'column 1', 'not the name'],
])('%s is refused: %s, %s', (text, ...words) => {
  let message = ''
  try {
    parseSpec(text)
  } catch (error) {
    message = `${(error as KvError).message} ${(error as KvError).hint ?? ''}`
  }
  for (const word of words) expect(message).toContain(word)
})
