import { expect, test } from 'vitest'
import {
  checkSpec,
  KvError,
  parseBudgetText,
  parseMethodText,
  parseSpec,
  printSpec,
  type CompressionSpec,
} from '../src/index.ts'

test.each([
  'none+none',
  'snapkv:window=16+kivi:bits=4@128KiB',
  'snapkv:window=16,kernel=7,pool=max+kivi:bits=4,group=32,recent=8@64x16',
  'h2o+none@128t',
  'h2o+none@25%',
  'h2o+none@0.7%',
  'h2o+none@300001B',
  'h2o+none@1.5MiB#heads=query',
  '@acme/kv-pruner-x:a=1+@acme/kv-quantizer-y@64x16#0-4:keyBits=8,valueBits=8#5-6:tokens=12',
  'snapkv:a=\'[1,{"b":"it\'\'s # + @ : , ="}]\',b=\'"two words"\',c=true,d=null,e=-0.5,f=\'"7"\',g=1e-9+none',
])('%s is canonical', (text) => {
  expect(printSpec(parseSpec(text))).toBe(text)
})

test('the example of the design reads as its JSON', () => {
  const json = {
    specVersion: 2,
    heads: 'kv',
    budget: { fp16Tokens: 128 },
    prune: { method: 'snapkv', window: 16, kernel: 7, pool: 'max' },
    quantize: { method: 'kivi', bits: 4 },
    layers: [{ from: 0, to: 4, keyBits: 8, valueBits: 8 }],
  }
  const text = 'snapkv:window=16,kernel=7,pool=max+kivi:bits=4@128x16#heads=kv#0-4:keyBits=8,valueBits=8'
  expect(parseSpec(text)).toEqual(json)
  expect(printSpec(json as CompressionSpec)).toBe(text)
})

test('numbers of every size survive', () => {
  for (const fraction of [1, 0.5, 0.07, 0.29, 1 / 3, 1e-7, 5e-324, 0.1 + 0.2, 0.9999999999999999]) {
    const spec = checkSpec({ budget: { fraction } })
    expect(parseSpec(printSpec(spec))).toEqual(spec)
  }
  for (const x of [1e21, -1e21, 1e-21, 0.1, -3, 2 ** 53, 123456789.125]) {
    const spec = checkSpec({ prune: { method: 'x', x } })
    expect(parseSpec(printSpec(spec))).toEqual(spec)
  }
})

test('texts that look like something else survive', () => {
  for (const x of [
    '',
    'true',
    'null',
    '1',
    '-1',
    '1e5',
    '01',
    "'",
    "''",
    'a,b',
    'a#b',
    'a@1t',
    'a+b',
    'ü',
    '\n',
    'a/b.json',
    '-',
    '1e999',
  ]) {
    const spec = checkSpec({ prune: { method: 'x', x }, quantize: { method: 'y', x, y: [x, { x }] } })
    expect(parseSpec(printSpec(spec))).toEqual(spec)
  }
})

test.each([
  ['', 'column 1'],
  ['snapkv', 'PRUNER+QUANTIZER'],
  ['snapkv+', 'name of a quantizer is missing'],
  ['+kivi', 'name of a pruner is missing'],
  ['snapkv+kivi@64', 'not a budget'],
  ['snapkv+kivi@64x8', 'not a budget'],
  ['snapkv+kivi@12q', 'not a budget'],
  ['snapkv+kivi@0t', 'at least 1'],
  ['snapkv+kivi@101%', 'at most 1'],
  ['snapkv:window+kivi', 'name=value'],
  ['snapkv:window=+kivi', 'value is missing'],
  ['snapkv:window=1,+kivi', 'name=value'],
  ['snapkv:window=1,window=2+kivi', 'twice'],
  ["snapkv:a='[1+kivi", 'never closed'],
  ["snapkv:a='[1'+kivi", 'not JSON'],
  ['snapkv+kivi#heads=both', 'heads'],
  ['snapkv+kivi#heads=kv#heads=kv', 'twice'],
  ['snapkv+kivi#4-2:tokens=1', 'above 4'],
  ['snapkv+kivi#0-4:bits=8', 'bits'],
  ['snapkv+kivi#x', 'range'],
  ['snapkv+kivi#0-4:', 'name=value'],
  ['a+b+c', 'second'],
  ['snapkv:__proto__=1+kivi', 'option name'],
])('"%s" is refused and says where', (text, words) => {
  try {
    parseSpec(text)
    expect.unreachable()
  } catch (error) {
    expect(KvError.isInstance(error) && error.code).toBe('KV_INVALID_SPEC')
    expect(`${(error as KvError).message} ${(error as KvError).hint ?? ''}`).toContain(words)
  }
})

test('the parts of the command line use the same parser', () => {
  expect(parseMethodText('snapkv:window=16')).toEqual({ method: 'snapkv', window: 16 })
  expect(parseBudgetText('128KiB')).toEqual({ bytes: 131072 })
  expect(parseBudgetText('7%')).toEqual({ fraction: 0.07 })
  expect(parseBudgetText('2%B')).toEqual({ byteFraction: 0.02 })
})

test('no text crashes the parser', () => {
  const pieces = [
    'snapkv',
    'kivi',
    ':',
    '+',
    '@',
    '#',
    ',',
    '=',
    "'",
    '1',
    '64',
    't',
    'x16',
    '%',
    'KiB',
    'heads',
    '0-4',
    '{',
    '"',
    ' ',
    'é',
    '\\',
  ]
  let state = 1
  const next = (n: number) => (state = (Math.imul(state, 48271) >>> 0) % 2147483647) % n
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: next(14) }, () => pieces[next(pieces.length)]).join('')
    try {
      const spec = parseSpec(text)
      expect(parseSpec(printSpec(spec))).toEqual(spec)
    } catch (error) {
      if (!KvError.isInstance(error)) throw new Error(`"${text}" crashed`, { cause: error })
    }
  }
})
