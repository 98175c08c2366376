import type { Json, JsonObject } from '../json.ts'
import type { AnyMethod } from '../method/method.ts'
import type { Registry } from '../method/registry.ts'
import { roleNames, roles, type Role } from '../method/roles.ts'
import type { Option } from '../options/option.ts'
import { budgetKinds } from './budget-kinds.ts'
import { SPEC_VERSION } from './compression-spec.ts'

/**
 * The JSON schema (draft 7) of a spec with the methods of a registry: an editor that has it completes names and options of
 * a spec file and shows what each means. It says less than `checkSpec` and `resolve` do: these decide.
 */
export function specSchema(registry: Registry): JsonObject {
  const slots = roleNames.map((role): [string, Json] => [roles[role].slot, slotSchema(role, registry)])
  const bits = { enum: [16, 8, 4, 3, 2, 1] }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'qpkv compression spec',
    ...object({
      $schema: { type: 'string' },
      specVersion: { const: SPEC_VERSION },
      heads: {
        enum: ['kv', 'query'],
        description:
          'Whether a list of tokens belongs to a KV head or to a query head, as the original codes store it.',
      },
      budget: budgetSchema(),
      ...Object.fromEntries(slots),
      tiers: {
        type: 'array',
        description:
          'Widths by score, the widest first: parts of the packed tokens, or as many as the allocator says, the last of them the rest.',
        items: object(
          {
            share: {
              anyOf: [
                { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
                { enum: ['rest', 'allocated'] },
              ],
            },
            bits,
          },
          ['share', 'bits'],
        ),
      },
      layers: {
        type: 'array',
        description:
          'Exceptions for layers from <= layer < to; without a range: for all layers that no range speaks of.',
        items: object({
          from: { type: 'integer', minimum: 0 },
          to: { type: 'integer', minimum: 1 },
          tokens: {
            description: 'Tokens per stored head, or a list of one number per head.',
            anyOf: [
              { type: 'integer', minimum: 1 },
              { type: 'array', items: { type: 'integer', minimum: 1 } },
            ],
          },
          keyBits: bits,
          valueBits: bits,
        }),
      },
    }),
  }
}

const object = (properties: JsonObject, required: readonly string[] = []): JsonObject => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...(required.length > 0 && { required }),
})

const budgetSchema = (): JsonObject => ({
  description: 'What the layers may keep; one of these.',
  anyOf: Object.entries(budgetKinds).map(([name, { accepts }]) =>
    object({ [name]: { type: name === 'bytes' ? ['number', 'string'] : 'number', description: accepts } }, [
      name,
    ]),
  ),
})

function slotSchema(role: Role, registry: Registry): JsonObject {
  const methods: ReadonlyMap<string, AnyMethod> = registry[roles[role].plural]
  return { anyOf: [...methods.values()].map(methodSchema) }
}

function methodSchema({ name, paper, options, profiles }: AnyMethod): JsonObject {
  const names = Object.keys(profiles)
  return object(
    {
      method: { const: name, ...(paper !== '' && { description: paper }) },
      ...(names.length > 0 && {
        profile: { enum: names, description: 'Defaults that do what the code of an original does.' },
      }),
      ...Object.fromEntries(Object.entries(options).map(([option, it]) => [option, optionSchema(it)])),
    },
    ['method'],
  )
}

function optionSchema({ doc, accepts, choices, default: standard }: Option<unknown>): JsonObject {
  const plain = typeof standard === 'number' || typeof standard === 'boolean' || typeof standard === 'string'
  return {
    description: `${doc} Accepts ${accepts}.`,
    ...(choices ? { enum: choices } : plain && { type: typeof standard }),
    ...(plain && { default: standard }),
  }
}
