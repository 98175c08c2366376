import { callId } from './parse-calls.ts'
import { ID, type ToolFormat } from './tool-format.ts'
import type { Tool, ToolChoice } from './tool.ts'

type Schema = Readonly<Record<string, unknown>>

/** A reply that has to be a call: how it begins, and by which schema it goes on. */
export interface ForcedCall {
  readonly begin: string
  /** Undefined: nothing beyond the beginning is enforced. */
  readonly schema: Schema | undefined
  /** Of several tools, where a call is no object that a schema describes: the name with what stands behind it, then the schema. */
  readonly tools?: readonly { readonly text: string; readonly schema: Schema | undefined }[]
}

/** Undefined where the model is free. */
export function forcedCall(
  format: ToolFormat,
  tools: readonly Tool[],
  choice: ToolChoice,
): ForcedCall | undefined {
  if (choice === 'auto' || choice === 'none') return undefined
  const opening = format.opening.replaceAll(ID, callId())
  const wanted = choice === 'required' ? tools : tools.filter(({ name }) => name === choice.name)
  if (format.kind === 'object') {
    const schemas = wanted.map((tool) => callSchema(format, tool))
    return { begin: opening, schema: schemas.length === 1 ? schemas[0] : { anyOf: schemas } }
  }
  const each = wanted.map((tool) =>
    format.kind === 'named'
      ? { text: tool.name + format.middle.replaceAll(ID, callId()), schema: parametersOf(tool) }
      : {
          text: tool.name + format.first.slice(0, format.first.length - format.before.length),
          schema: undefined,
        },
  )
  const [only] = each
  if (only && each.length === 1) return { begin: opening + only.text, schema: only.schema }
  return { begin: opening, schema: undefined, tools: each }
}

const parametersOf = ({ parameters = { type: 'object' } }: Tool) => parameters

/** Definitions that a tool's own schema refers to do not move: such a schema is refused by name. */
function callSchema(format: ToolFormat & { readonly kind: 'object' }, tool: Tool): Record<string, unknown> {
  const schema: Record<string, unknown> = {}
  put(schema, format.name, { const: tool.name })
  put(schema, format.arguments, parametersOf(tool))
  return schema
}

/** Sets a property along a path, every object on the way with exactly the properties that are put into it. */
function put(schema: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path
  if (key === undefined) return
  const properties = (schema['properties'] ?? {}) as Record<string, unknown>
  const inner = (properties[key] ?? {}) as Record<string, unknown>
  if (rest.length > 0) put(inner, rest, value)
  properties[key] = rest.length > 0 ? inner : value
  Object.assign(schema, {
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  })
}
