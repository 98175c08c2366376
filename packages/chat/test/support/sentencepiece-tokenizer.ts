import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { modelFolder } from '@qpkv/reference-model'

interface TokenizerFile {
  readonly model: { readonly vocab: Readonly<Record<string, number>> }
}

/**
 * A tokenizer.json of the form that SentencePiece models have, with the reference model's vocabulary size and control tokens:
 * `▁` for a space, bytes as `<0xNN>` for what has no piece, and few pieces.
 */
export function sentencePieceTokenizer(): string {
  const own = JSON.parse(readFileSync(join(modelFolder, 'tokenizer.json'), 'utf8')) as TokenizerFile
  const size = Object.keys(own.model.vocab).length
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`)
  const letters = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))
  const merges = [
    ['▁', '{'],
    ['▁', '"'],
    ['"', ':'],
    ['{', '"'],
    ['"', '}'],
    ['t', 'r'],
    ['u', 'e'],
    ['tr', 'ue'],
    ['▁', '▁'],
  ]
  const pieces = ['<unk>', ...bytes, '▁', ...letters, ...merges.map((pair) => pair.join(''))]
  while (pieces.length < size) pieces.push(`▁unused${pieces.length}`)
  return JSON.stringify({
    ...own,
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges: merges.map((pair) => pair.join(' ')),
    },
  })
}
