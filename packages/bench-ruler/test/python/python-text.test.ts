import { describe, expect, it } from 'vitest'
import { reprList } from '../../src/python/python-repr.ts'
import { pythonJson, pythonSplit, pythonStrip } from '@qpkv/bench-kit'
import {
  codePointsBefore,
  formatTemplate,
  sortedUnique,
  splitCollapsed,
} from '../../src/python/python-text.ts'

// Expected values are what CPython 3.11 prints for the same expressions.
describe('text as Python handles it', () => {
  it('has white space of its own', () => {
    expect(pythonStrip('\x1c\x85 \u3000a\u200b\ufeff ')).toBe('a\u200b\ufeff')
    expect(pythonSplit(' a\x1fb\u2028c\ufeffd ')).toEqual(['a', 'b', 'c\ufeffd'])
    expect(pythonSplit('\n\t')).toEqual([])
    expect(splitCollapsed(' a \n b')).toEqual(['', 'a', 'b'])
  })

  it('sorts by code point', () => {
    expect(sortedUnique(['\u{1f600}', '\uffee', 'b', 'a', 'b', 'ab', ''])).toEqual([
      '',
      'a',
      'ab',
      'b',
      '\uffee',
      '\u{1f600}',
    ])
  })

  it('fills a template in one pass', () => {
    const slots = { context: '{query} $& {{x}}', query: 'q' }
    expect(formatTemplate('{context}|{query}|{{query}}|{other}', slots)).toBe(
      '{query} $& {{x}}|q|{query}|{other}',
    )
  })

  it('counts offsets in code points', () => {
    expect(codePointsBefore('a\u{1f600}b', 3)).toBe(2)
  })

  it('writes JSON in ASCII with blanks after separators', () => {
    expect(
      pythonJson({
        index: 0,
        input: 'é\u2028\u{1f600}\x7f\x01"\\/\b\f',
        outputs: ['a', 'b'],
        none: null,
      }),
    ).toBe(
      String.raw`{"index": 0, "input": "\u00e9\u2028\ud83d\ude00\u007f\u0001\"\\/\b\f", "outputs": ["a", "b"], "none": null}`,
    )
  })

  it('writes lists of texts as repr does', () => {
    expect(reprList(['AB', "it's", 'a "b" \'c\'', 'n\n\\', '\x7f\u2028é\u{e0001}'])).toBe(
      String.raw`['AB', "it's", 'a "b" \'c\'', 'n\n\\', '\x7f\u2028é\U000e0001']`,
    )
  })
})
