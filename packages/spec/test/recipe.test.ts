import { describe, expect, it } from 'vitest'
import { createRegistry, KvError, loadRecipe, parseSpec, recipeSchema, requireRecipe } from '../src/index.ts'

const json = {
  recipeVersion: 1,
  spec: parseSpec('keydiff+kivi:bits=2@64KiB'),
  model: { name: 'one', fingerprint: '0123456789abcdef' },
  tokens: { from: 1024, to: 4096 },
  protocols: ['query-agnostic'],
  measured: { quality: 0.98 },
}
const recipe = loadRecipe(json)

const failure = (work: () => unknown): KvError => {
  try {
    work()
  } catch (cause) {
    if (KvError.isInstance(cause)) return cause
    throw cause
  }
  throw new Error('expected an error')
}

describe('a recipe', () => {
  it('is read from text and from JSON, and comes back as it was written', () => {
    expect(loadRecipe(JSON.stringify(json))).toEqual(recipe)
    expect(JSON.parse(JSON.stringify(recipe))).toEqual(json)
    expect(loadRecipe({ $schema: 'x.json', ...json })).toEqual(recipe)
  })

  it.each([
    [{ recipeVersion: 2 }, /recipeVersion/],
    [{ model: { name: 'one', fingerprint: 'abc' } }, /model\.fingerprint/],
    [{ model: { name: 'one', fingerprint: json.model.fingerprint, size: 1 } }, /model\.size/],
    [{ tokens: { from: 10, to: 9 } }, /at least 10 for tokens\.to/],
    [{ tokens: { from: 0, to: 9 } }, /tokens\.from/],
    [{ protocols: [] }, /protocols/],
    [{ protocols: ['query-agnostic', 'query-agnostic'] }, /protocols/],
    [{ protocol: 'query-agnostic' }, /Did you mean protocols/],
    [{ measured: 3 }, /measured/],
  ])('is refused where something is wrong: %j', (change, words) => {
    const error = failure(() => loadRecipe({ ...json, ...change }))
    expect(error.code).toBe('KV_RECIPE')
    expect(`${error.message} ${error.hint ?? ''}`).toMatch(words)
  })

  it('says what it is not: text, or a spec', () => {
    expect(failure(() => loadRecipe('{'))).toMatchObject({ code: 'KV_RECIPE' })
    expect(failure(() => loadRecipe(json.spec)).message).toMatch(/received a spec/)
    expect(failure(() => loadRecipe({ ...json, spec: { specVersion: 2, x: 1 } })).code).toBe(
      'KV_INVALID_SPEC',
    )
  })

  it('holds for its model, lengths and protocol, and names both sides where it does not', () => {
    requireRecipe(recipe, { model: json.model, tokens: 1024, protocol: 'query-agnostic' })
    requireRecipe(recipe, { tokens: 4096 })
    const refused = (use: Parameters<typeof requireRecipe>[1]) =>
      failure(() => {
        requireRecipe(recipe, use)
      })
    const other = { name: 'two', fingerprint: 'fedcba9876543210' }
    expect(refused({ model: other }).message).toMatch(
      /one \(0123456789abcdef\), not for two \(fedcba9876543210\)/,
    )
    expect(refused({ model: { ...json.model, weights: 'int4' } }).message).toMatch(/unrounded.*int4/)
    expect(refused({ tokens: 4097 }).message).toMatch(/1024 to 4096 tokens, and this one has 4097/)
    expect(refused({ tokens: 1023 }).code).toBe('KV_RECIPE')
    expect(refused({ protocol: 'query-aware' }).message).toMatch(/query-agnostic.*not for.*query-aware/)
  })

  it('has a schema with every field, and no other', () => {
    const schema = recipeSchema(createRegistry([]))
    expect(Object.keys(schema['properties'] as object)).toEqual(['$schema', ...Object.keys(json)])
    expect(schema['additionalProperties']).toBe(false)
  })
})
