import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createTokenizer } from '../../src/model/tokenizer.ts'

type Json = Record<string, unknown>
interface Case {
  readonly name: string
  readonly base: string
  readonly parts: Json
  readonly model?: Json
  readonly files?: Readonly<Record<string, Json>>
  readonly named?: Json
  readonly texts: readonly (readonly [string, number[], number[]])[]
  readonly decodes: readonly (readonly [number[], string, string])[]
}

/** What tokenizers 0.23 and transformers 5.18 give (make-expected.py). */
const lines = readFileSync(join(import.meta.dirname, 'expected.jsonl'), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Case | { base: string; definition: Json })
const bases = new Map(lines.flatMap((line) => ('definition' in line ? [[line.base, line.definition]] : [])))
const cases = lines.filter((line): line is Case => 'texts' in line)

function load({ base, parts, model, files = {}, name }: Case) {
  const definition: Json = { ...bases.get(base), ...parts }
  if (model) definition['model'] = { ...(definition['model'] as Json), ...model }
  return createTokenizer(definition, files['tokenizer_config.json'] ?? {}, name, {
    specialTokensMap: files['special_tokens_map.json'],
    addedTokens: files['added_tokens.json'],
  })
}

describe.each(cases.map((each) => [each.name, each] as const))('%s', (_, each) => {
  const tokenizer = load(each)

  it('gives the ids of the library', async () => {
    for (const [text, plain, whole] of each.texts) {
      expect({ text, ids: tokenizer.encode(text, { special: false }) }).toEqual({ text, ids: plain })
      expect({ text, ids: await tokenizer.encodeLong(text) }).toEqual({ text, ids: whole })
    }
    if (each.named) expect(tokenizer.specialTokens).toEqual(each.named)
  })

  it('gives its texts, whole and piece by piece', () => {
    for (const [ids, text, all] of each.decodes) {
      expect(tokenizer.decode(ids)).toBe(text)
      expect(tokenizer.decode(ids, { special: true })).toBe(all)
      const stream = tokenizer.stream()
      const joined = ids.map((id) => stream.push(id)).join('') + stream.flush()
      // Where bytes are broken the stream has shown the whole characters before them already.
      if (!text.includes('\uFFFD')) expect(joined).toBe(text)
    }
  })
})
