import { describe, expect, it } from 'vitest'
import { createTokenizer } from '../../src/model/tokenizer.ts'
import { throwsKv } from '../support/throws.ts'

const model = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] }
const load = (parts: object, config = {}) => createTokenizer({ model, ...parts }, config, 'tokenizer.json')

describe('a tokenizer.json', () => {
  it('needs no more than a model', () => {
    expect(load({}).encode('abx')).toEqual([2])
    expect(load({ decoder: null, added_tokens: null }).decode([0, 2])).toBe('a ab')
  })

  it('gives an added token of the vocabulary the id that it has there, as the tokenizers library does', () => {
    const added = load({ added_tokens: [{ id: 7, content: 'ab', single_word: true }] })
    expect(added.encode('ab')).toEqual([2])
    expect(added.encode('aab')).toEqual([0, 2])
  })

  it.each([
    [{ normalizer: { type: 'Precompiled', precompiled_charsmap: 'AA==' } }, /normalizer of .*"Precompiled"/],
    [{ normalizer: { type: 'Nmt' } }, /"Nmt"/],
    [
      { normalizer: { type: 'Replace', pattern: { Regex: '(?<' }, content: '' } },
      /regular expression in pattern of normalizer/,
    ],
    [{ pre_tokenizer: { type: 'UnicodeScripts' } }, /pre_tokenizer of .*"UnicodeScripts"/],
    [
      { pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'Sideways' } },
      /Removed, Isolated.*behavior.*"Sideways"/,
    ],
    [{ pre_tokenizer: { type: 'Split', pattern: {}, behavior: 'Removed' } }, /String in pattern/],
    [{ pre_tokenizer: { type: 'Digits', individual_digits: 'yes' } }, /true or false for individual_digits/],
    [{ pre_tokenizer: { type: 'ByteLevel', shift: 3 } }, /ByteLevel\) has shift/],
    [{ decoder: { type: 'CTC' } }, /decoder of .*"CTC"/],
    [
      {
        decoder: {
          type: 'Sequence',
          decoders: [{ type: 'Fuse' }, { type: 'Strip', content: ' ', start: 0, stop: 1 }],
        },
      },
      /"Strip"/,
    ],
    [{ post_processor: { type: 'Template' } }, /post_processor of .*"Template"/],
    [{ model: { ...model, type: 'SentencePiece' } }, /model of .*"SentencePiece"/],
    [{ model: { ...model, window: 3 } }, /BPE\) has window/],
    [{ model: { ...model, dropout: 0.1 } }, /dropout/],
    [{ model: { ...model, merges: ['a c'] } }, /tokens of the vocabulary for merges\[0\]/],
    [{ model: { ...model, vocab: { a: -1 } } }, /token id for "a"/],
    [{ added_tokens: [{ id: 1.5, content: 'x' }] }, /whole number for id/],
    [{ added_tokens: [{ id: 3, content: 'x', sticky: true }] }, /sticky/],
    [
      {
        added_tokens: [
          { id: 3, content: 'x' },
          { id: 3, content: 'y' },
        ],
      },
      /Id 3 is "x" and "y"/,
    ],
  ])('with a part that would not be obeyed is refused: %j', async (parts, message) => {
    await throwsKv('KV_TOKENIZER', message, () => load(parts))
  })

  it('whose unknown token is missing says so when it is needed', async () => {
    const tokenizer = load({ model: { ...model, unk_token: '<unk>' } })
    expect(tokenizer.encode('ab')).toEqual([2])
    await throwsKv('KV_TOKENIZER', /unk_token.*<unk>/, () => tokenizer.encode('c'))
  })

  it('contradicted by its neighbors is refused', async () => {
    const decoder = { added_tokens_decoder: { 0: { content: '<x>' } } }
    await throwsKv('KV_TOKENIZER', /Id 0 is "<y>" and "<x>"/, () =>
      load({ added_tokens: [{ id: 0, content: '<y>' }] }, decoder),
    )
  })
})
