import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { modelFolder } from '@qpkv/reference-model'
import { describe, expect, it } from 'vitest'
import { loadTokenizer } from '../src/model/tokenizer.ts'
import { temporaryFolder } from './support/model-folder.ts'
import { throwsKv } from './support/throws.ts'

describe('the tokenizer', () => {
  it('puts the special token in front, unless asked not to', async () => {
    const tokenizer = await loadTokenizer(modelFolder)
    expect(tokenizer?.encode('The boat')[0]).toBe(3697)
    expect(tokenizer?.encode('The boat', { special: false })[0]).not.toBe(3697)
    expect(tokenizer?.idOf('<|eot_id|>')).toBe(3701)
    expect(tokenizer?.specialTokens['bos_token']).toBe('<|begin_of_text|>')
  })

  it('gives the text back, special tokens only when asked', async () => {
    const tokenizer = await loadTokenizer(modelFolder)
    const text = 'It took 512 days – “naïve” 漢字 👩‍👩‍👧.\n\n  Done'
    const ids = tokenizer?.encode(text) ?? []
    expect(tokenizer?.decode(ids)).toBe(text)
    expect(tokenizer?.decode(ids, { special: true })).toBe(`<|begin_of_text|>${text}`)
    expect(tokenizer?.decode([])).toBe('')
  })

  it('is written out piece by piece without a difference', async () => {
    const tokenizer = await loadTokenizer(modelFolder)
    if (!tokenizer) throw new Error('no tokenizer')
    const text = ' The 漢字 😀 cost 1234567.\nOk é.'
    const stream = tokenizer.stream(tokenizer.encode('before'))
    const pieces = tokenizer.encode(text, { special: false }).map((id) => stream.push(id))
    expect(pieces.join('') + stream.flush()).toBe(text)
    expect(pieces.some((piece) => piece.includes('\uFFFD'))).toBe(false)
  })

  it('may be missing, but must not be broken', async () => {
    expect(await loadTokenizer(temporaryFolder())).toBeUndefined()
    await throwsKv('KV_TOKENIZER', /model of .*tokenizer.json is of type "Nonsense"/, () =>
      loadTokenizer(temporaryFolder({ 'tokenizer.json': '{"model":{"type":"Nonsense"}}' })),
    )
    await throwsKv('KV_CONFIG', /Expected JSON in .*tokenizer.json/, () =>
      loadTokenizer(temporaryFolder({ 'tokenizer.json': '{"model"' })),
    )
  })

  it.each([
    ['decoders that are none', { decoder: { type: 'Sequence', decoders: [null] } }],
    [
      'a post-processor that is none',
      { post_processor: { type: 'TemplateProcessing', single: ['x'], pair: [], special_tokens: {} } },
    ],
    ['no ids to decode', { added_tokens: 1 }],
  ])('with broken parts is refused: %s', async (_, part) => {
    const definition = {
      added_tokens: [],
      model: { type: 'BPE', vocab: { a: 0, b: 1 }, merges: [] },
      ...part,
    }
    const folder = temporaryFolder({ 'tokenizer.json': JSON.stringify(definition) })
    await throwsKv('KV_TOKENIZER', /tokenizer.json/, async () => {
      const tokenizer = await loadTokenizer(folder)
      tokenizer?.encode('ab')
      tokenizer?.decode([0, 1])
    })
  })

  it('reads special tokens given as objects', async () => {
    const folder = temporaryFolder({
      'tokenizer_config.json': '{"bos_token":{"content":"<s>"},"pad_token":null}',
    })
    cpSync(join(modelFolder, 'tokenizer.json'), join(folder, 'tokenizer.json'))
    expect((await loadTokenizer(folder))?.specialTokens).toEqual({ bos_token: '<s>' })
  })
})
