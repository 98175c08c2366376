import { createTokenizer, type Tokenizer } from '../../src/model/tokenizer.ts'
import { byteCharacters } from '../../src/tokenizer/normalizers.ts'

type Json = Record<string, unknown>

const special = (tokens: readonly string[], first: number) =>
  tokens.map((content, i) => ({ id: first + i, content, special: true, normalized: false }))

/** Every byte is a token; further ones are given by their bytes in hexadecimal, then special ones. */
export function byteTokenizer(
  pieces: readonly string[] = [],
  specials: readonly string[] = ['<s>', '</s>'],
): Tokenizer {
  const written = pieces.map((hex) =>
    [...Buffer.from(hex, 'hex')].map((byte) => byteCharacters[byte]).join(''),
  )
  const tokens = [...byteCharacters, ...written]
  return createTokenizer(
    {
      model: { type: 'BPE', vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges: [] },
      added_tokens: special(specials, tokens.length),
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
      decoder: { type: 'ByteLevel' },
    },
    { bos_token: '<s>', eos_token: '</s>' },
    'tokenizer.json',
  )
}

/** Letters, a mark for spaces and byte fallback, as in Llama 2; `parts` replaces fields. */
export function letterTokenizer(parts: Json = {}): Tokenizer {
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  )
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...Array.from('▁abcdefghijklmnopqrstuvwxyzHIMN.,[]/')]
  return createTokenizer(
    {
      model: {
        type: 'BPE',
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: [],
        unk_token: '<unk>',
        fuse_unk: true,
        byte_fallback: true,
      },
      added_tokens: special(['<unk>', '<s>', '</s>'], 0),
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'Prepend', prepend: '▁' },
          { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
        ],
      },
      post_processor: {
        type: 'TemplateProcessing',
        single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
        special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
      },
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
          { type: 'Strip', content: ' ', start: 1, stop: 0 },
        ],
      },
      ...parts,
    },
    { bos_token: '<s>', eos_token: '</s>' },
    'tokenizer.json',
  )
}
