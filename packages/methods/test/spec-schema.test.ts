import { isPlainObject, roleNames, roles, specSchema, type AnyMethod, loadSpec } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { registry } from '../src/index.ts'

interface Schema {
  properties: Record<string, Schema & { anyOf: Schema[]; const?: string; description?: string }>
  required?: string[]
  additionalProperties?: boolean
}
const schema = specSchema(registry) as unknown as Schema

test('every option of every method is there, with what it means', () => {
  for (const role of roleNames) {
    const methods: ReadonlyMap<string, AnyMethod> = registry[roles[role].plural]
    const known = schema.properties[roles[role].slot]!.anyOf
    expect(known.map(({ properties }) => properties['method']!.const)).toEqual([...methods.keys()])
    for (const [i, { options, profiles }] of [...methods.values()].entries()) {
      const { properties, required, additionalProperties } = known[i]!
      expect(required).toEqual(['method'])
      expect(additionalProperties).toBe(false)
      const names = Object.keys(options)
      const profile = Object.keys(profiles).length > 0 ? ['profile'] : []
      expect(Object.keys(properties)).toEqual(['method', ...profile, ...names])
      for (const name of names) expect(properties[name]!.description).toContain(options[name]!.doc)
    }
  }
})

test('it has the fields that a spec may have, and a spec file may name it', () => {
  const { $schema: _, ...fields } = schema.properties
  for (const name of Object.keys(fields))
    expect(() => loadSpec({ specVersion: 2, [name]: 'no such' })).not.toThrow(/Unknown field/)
  expect(() => loadSpec({ specVersion: 2, other: 1 })).toThrow(/Unknown field/)
  const spec = { specVersion: 2, prune: { method: 'keydiff' } }
  expect(loadSpec({ $schema: './qpkv.schema.json', ...spec })).toEqual(loadSpec(spec))
  expect(isPlainObject(JSON.parse(JSON.stringify(schema)))).toBe(true)
})
