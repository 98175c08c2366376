import { describe, expect, it } from 'vitest'
import { readGgufTokenizer } from '../../src/gguf/gguf-tokenizer.ts'
import { mergesFromScores } from '../../src/gguf/merges-from-scores.ts'
import { MetadataReader } from '../../src/gguf/metadata-reader.ts'
import { createTokenizer, type Tokenizer } from '../../src/model/tokenizer.ts'
import { throwsKv } from '../support/throws.ts'

const reader = (values: Record<string, unknown>) =>
  new MetadataReader({
    path: 'm.gguf',
    metadata: new Map(Object.entries(values).map(([key, value]) => [`tokenizer.${key}`, value])),
    tensors: new Map(),
  })

function tokenizer(values: Record<string, unknown>): Tokenizer {
  const read = readGgufTokenizer(reader(values))
  if (!read) throw new Error('no tokenizer')
  return createTokenizer(read.definition, read.config, 'm.gguf')
}

// A space is written as U+0120 by byte-level tokenizers.
const bytes = ['a', 'b', 'c', '1', '2', '\u0120', '!']
const byteLevel = {
  'ggml.model': 'gpt2',
  'ggml.pre': 'smollm',
  'ggml.tokens': ['<|end|>', ...bytes, 'ab', '\u0120ab', '12', '<tool>'],
  'ggml.token_type': [3, ...bytes.map(() => 1), 1, 1, 1, 4],
  'ggml.merges': ['a b', '\u0120 ab', '1 2'],
  'ggml.eos_token_id': 0,
}

describe('a byte-level tokenizer', () => {
  it('merges within what its pattern cuts, and finds control and user-defined tokens', () => {
    const t = tokenizer(byteLevel)
    expect(t.encode('ab ab12<tool><|end|>')).toEqual([8, 9, 4, 5, 11, 0])
    expect(t.decode([8, 9, 11, 0])).toBe('ab ab<tool>')
    expect(t.specialTokens['eos_token']).toBe('<|end|>')
  })

  it('puts bos and eos around a text where the file asks for it', () => {
    const both = { 'ggml.bos_token_id': 0, 'ggml.add_bos_token': true, 'ggml.add_eos_token': true }
    expect(tokenizer({ ...byteLevel, ...both }).encode('a')).toEqual([0, 1, 0])
    expect(tokenizer({ ...byteLevel, 'ggml.bos_token_id': 0, 'ggml.pre': 'llama-bpe' }).encode('a')).toEqual([
      0, 1,
    ])
    expect(tokenizer({ ...byteLevel, 'ggml.bos_token_id': 0 }).encode('a')).toEqual([1])
  })

  it('of an unknown cut or kind is refused by name', async () => {
    await throwsKv('KV_TOKENIZER', /tokenizer\.ggml\.pre.*"mystery"/, () =>
      tokenizer({ ...byteLevel, 'ggml.pre': 'mystery' }),
    )
    await throwsKv('KV_TOKENIZER', /"t5".*gpt2, llama/s, () =>
      tokenizer({ ...byteLevel, 'ggml.model': 't5' }),
    )
  })

  it('hands its chat templates on, named ones too', () => {
    const read = readGgufTokenizer(
      reader({ ...byteLevel, chat_template: 'X', chat_templates: ['rag'], 'chat_template.rag': 'Y' }),
    )
    expect(read?.config['chat_template']).toEqual([
      { name: 'default', template: 'X' },
      { name: 'rag', template: 'Y' },
    ])
  })
})

const pieces = ['<unk>', '<s>', '\u2581', 'a', 'b', 'ab', '\u2581ab', 'ba', '<0xC3>', '<0xA9>']
const sentencePiece = {
  'ggml.model': 'llama',
  'ggml.tokens': pieces,
  'ggml.token_type': [2, 3, 1, 1, 1, 1, 1, 1, 6, 6],
  'ggml.scores': [0, 0, -5, -6, -7, -2, -3, -1, 0, 0],
  'ggml.bos_token_id': 1,
  'ggml.unknown_token_id': 0,
}

describe('a SentencePiece tokenizer', () => {
  it('joins the neighbours with the best score first, puts a space in front and falls back to bytes', () => {
    const t = tokenizer(sentencePiece)
    expect(t.encode('ab')).toEqual([1, 6])
    // "ba" has the best score, so the middle is joined before "ab" is.
    expect(t.encode('aba')).toEqual([1, 2, 3, 7])
    expect(t.encode('\u00e9')).toEqual([1, 2, 8, 9])
    expect(t.decode([6, 8, 9])).toBe('ab\u00e9')
  })

  it('without a space in front where the file says so', () => {
    expect(tokenizer({ ...sentencePiece, 'ggml.add_space_prefix': false }).encode('ab')).toEqual([1, 5])
  })

  it('makes every cut of a piece a merge, best score first', () => {
    expect(mergesFromScores(['a', 'b', undefined, 'ab', 'aba', 'ba'], [0, 0, 0, -2, -1, -3])).toEqual([
      ['a', 'ba'],
      ['ab', 'a'],
      ['a', 'b'],
      ['b', 'a'],
    ])
  })
})
