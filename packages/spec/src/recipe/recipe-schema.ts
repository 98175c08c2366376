import type { JsonObject } from '../json.ts'
import type { Registry } from '../method/registry.ts'
import { specSchema } from '../spec/spec-schema.ts'
import { recipeProtocols, RECIPE_VERSION } from './recipe.ts'

/** The JSON schema (draft 7) of a recipe whose spec uses the methods of a registry. */
export function recipeSchema(registry: Registry): JsonObject {
  const { $schema, title: _, ...spec } = specSchema(registry)
  const text = { type: 'string' }
  const count = { type: 'integer', minimum: 1 }
  return {
    $schema: $schema ?? null,
    title: 'qpkv recipe',
    type: 'object',
    additionalProperties: false,
    required: ['recipeVersion', 'spec', 'model', 'tokens', 'protocols'],
    properties: {
      $schema: text,
      recipeVersion: { const: RECIPE_VERSION },
      spec,
      model: {
        description: 'The model that it was found on; others are refused.',
        type: 'object',
        additionalProperties: false,
        required: ['name', 'fingerprint'],
        properties: { name: text, fingerprint: { type: 'string', pattern: '^[0-9a-f]{16}$' }, weights: text },
      },
      tokens: {
        description: 'Lengths of prompts that it holds for, both included; others are refused.',
        type: 'object',
        additionalProperties: false,
        required: ['from', 'to'],
        properties: { from: count, to: count },
      },
      protocols: {
        description:
          'Whether prompts end with their question or are asked later; what is not listed is refused.',
        type: 'array',
        minItems: 1,
        uniqueItems: true,
        items: { enum: [...recipeProtocols] },
      },
      measured: { type: 'object', description: 'How it was found: figures for people.' },
    },
  }
}
