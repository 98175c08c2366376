import { nearestName, parseSpec, printSpec, type CompressionSpec } from '@qpkv/spec'
import { z } from 'zod'
import { HttpError } from './http-error.ts'

/*
 * Bodies of requests in OpenAI's format. Fields that change nothing here are taken and passed over (`ignored`); what would
 * change the reply and is not served is refused by name, like any field that is unknown.
 */

const ignored = {
  user: z.unknown(),
  metadata: z.unknown(),
  store: z.unknown(),
  service_tier: z.unknown(),
  safety_identifier: z.unknown(),
  prompt_cache_key: z.unknown(),
  prompt_cache_retention: z.unknown(),
  parallel_tool_calls: z.unknown(),
  verbosity: z.unknown(),
  reasoning_effort: z.unknown(),
}

const count = z.int().min(1)
const tokenBias = z.record(z.string(), z.number().min(-100).max(100))

const sampling = {
  model: z.string(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().positive().nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: tokenBias.nullish(),
  seed: z.int().nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(16)]).nullish(),
  n: z.int().min(1).max(16).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  /** This server's own fields. */
  compression: z.string().max(4096).nullish(),
  reuse_prefix: z.boolean().nullish(),
  chat_template_kwargs: z
    .record(z.string().max(64), z.union([z.string().max(256), z.number(), z.boolean(), z.null()]))
    .nullish(),
}

const textParts = z.array(
  z.looseObject({ type: z.enum(['text', 'input_text', 'output_text']), text: z.string() }),
)
const content = z.union([z.string(), textParts])

const call = z.looseObject({
  id: z.string(),
  type: z.literal('function').default('function'),
  function: z.looseObject({ name: z.string(), arguments: z.string() }),
})
const message = z.union([
  z.looseObject({ role: z.enum(['system', 'developer', 'user']), content }),
  z.looseObject({
    role: z.literal('assistant'),
    content: content.nullish(),
    tool_calls: z.array(call).min(1).nullish(),
  }),
  z.looseObject({ role: z.literal('tool'), content, tool_call_id: z.string() }),
])

const parameters = z.record(z.string(), z.unknown())
const tool = z.looseObject({
  type: z.literal('function'),
  function: z.looseObject({
    name: z.string().min(1).max(128),
    description: z.string().nullish(),
    parameters: parameters.nullish(),
  }),
})
const toolChoice = z.union([
  z.enum(['auto', 'none', 'required']),
  z.looseObject({ type: z.literal('function'), function: z.looseObject({ name: z.string() }) }),
])
const responseFormat = z.union([
  z.looseObject({ type: z.enum(['text', 'json_object']) }),
  z.looseObject({ type: z.literal('json_schema'), json_schema: z.looseObject({ schema: parameters }) }),
])

export const chatBody = z.strictObject({
  ...sampling,
  ...optional(ignored),
  messages: z.array(message).min(1),
  max_tokens: count.nullish(),
  max_completion_tokens: count.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  tools: z.array(tool).max(128).nullish(),
  tool_choice: toolChoice.nullish(),
  response_format: responseFormat.nullish(),
})

const ids = z.array(z.int().min(0)).min(1)
export const completionBody = z.strictObject({
  ...sampling,
  ...optional(ignored),
  prompt: z.union([z.string().min(1), ids, z.array(z.string().min(1)).length(1), z.array(ids).length(1)]),
  max_tokens: count.nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
  echo: z.literal(false).nullish(),
  best_of: z.literal(1).nullish(),
  suffix: z.null().optional(),
})

const item = z.union([
  z.looseObject({
    type: z.literal('message').optional(),
    role: z.enum(['system', 'developer', 'user', 'assistant']),
    content,
  }),
  z.looseObject({
    type: z.literal('function_call'),
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
  }),
  z.looseObject({ type: z.literal('function_call_output'), call_id: z.string(), output: z.string() }),
])
export const responsesBody = z.strictObject({
  ...optional(ignored),
  model: z.string(),
  input: z.union([z.string(), z.array(item).min(1)]),
  instructions: z.string().nullish(),
  max_output_tokens: count.nullish(),
  temperature: sampling.temperature,
  top_p: sampling.top_p,
  stream: sampling.stream,
  stream_options: z.unknown().optional(),
  text: z.looseObject({
    format: z.union([
      z.looseObject({ type: z.enum(['text', 'json_object']) }),
      z.looseObject({ type: z.literal('json_schema'), schema: parameters }),
    ]).nullish(),
  }).nullish(),
  tools: z.array(z.looseObject({
    type: z.literal('function'), name: z.string().min(1).max(128), description: z.string().nullish(), parameters: parameters.nullish(),
  })).max(128).nullish(),
  tool_choice: z.union([z.enum(['auto', 'none', 'required']), z.looseObject({ type: z.literal('function'), name: z.string() })]).nullish(),
  reasoning: z.unknown().optional(),
  include: z.unknown().optional(),
  truncation: z.enum(['disabled']).nullish(),
  compression: sampling.compression,
  reuse_prefix: sampling.reuse_prefix,
}) // prettier-ignore

export type ChatBody = z.infer<typeof chatBody>
export type CompletionBody = z.infer<typeof completionBody>
export type ResponsesBody = z.infer<typeof responsesBody>

function optional<T extends Record<string, z.ZodType>>(fields: T) {
  return Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, type.optional()])) as {
    [K in keyof T]: z.ZodOptional<T[K]>
  }
}

/** The body, checked. @throws HttpError 400 with what was expected, and where */
export function readBody<T extends z.ZodObject>(shape: T, given: unknown): z.infer<T> {
  const { data, error } = shape.safeParse(given)
  if (!error) return data
  const [issue] = error.issues
  if (!issue) throw new HttpError(400, 'The body is no request.')
  const param = issue.path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const name = issue.keys[0] ?? ''
    const near = nearestName(name, Object.keys(shape.shape))
    throw new HttpError(400, `There is no field ${name}${near ? `; did you mean ${near}?` : '.'}`, {
      param: name,
      code: 'unknown_parameter',
    })
  }
  const inner =
    issue.code === 'invalid_union' ? (issue.errors.flat().at(-1)?.message ?? issue.message) : issue.message
  throw new HttpError(400, `${param === '' ? 'The body' : param}: ${inner}`, { param: param || null })
}

/** The spec that a request brings: text only, so that it names no file. */
export function readCompression(text: string | null | undefined): CompressionSpec | undefined {
  if (text === null || text === undefined) return undefined
  const spec = parseSpec(text)
  printSpec(spec)
  return spec
}
