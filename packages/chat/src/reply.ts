import type { Context, Model } from '@qpkv/core'
import type { OpenConstraint } from './grammar/json-grammars.ts'
import type { ReplyEvent, ReplyRequest } from './request.ts'
import { CallGate } from './tools/call-gate.ts'
import { parseCalls } from './tools/parse-calls.ts'
import { ID, type ToolFormat } from './tools/tool-format.ts'

export interface ReplySource {
  readonly model: Model
  readonly context: Context
  readonly constraint: OpenConstraint | undefined
  readonly request: ReplyRequest
  /** Which of several replies it is. */
  readonly index: number
  /** How calls are written; undefined: there are no tools. */
  readonly format: ToolFormat | undefined
  /** The beginning of a call that the prompt ends with. */
  readonly forced: string | undefined
  /** Called with the reply's tokens when it has ended by itself; takes the context over, or not. */
  keep(tokens: readonly number[]): Promise<void>
}

/** One reply: text as it comes, calls when it has ended. Whoever stops reading ends it. */
export async function* readReply(source: ReplySource): AsyncGenerator<ReplyEvent, void, void> {
  const { model, context, constraint, request, index, format, forced } = source
  const { generate = {}, signal, tools = [] } = request
  const stops = generate.stopTokens ?? model.generationDefaults.stopTokens
  const gate = format && new CallGate(format.opening.split(ID)[0] ?? '', forced !== undefined)
  let raw = forced ?? ''
  const run = context.generate({
    ...generate,
    ...(generate.seed !== undefined && { seed: generate.seed + index }),
    ...(constraint && { constraint }),
    ...(signal && { signal }),
  })
  for await (const { text, token, logprob } of run) {
    const control =
      !stops.includes(token) && model.tokenizer?.isSpecial(token)
        ? (model.tokenizer.tokenOf(token) ?? '')
        : ''
    raw += control + text
    if (control !== '') gate?.pushControl(control)
    const out = gate ? gate.push(text) : text
    if (out !== '' || logprob) yield { type: 'text', text: out, ...(logprob && { logprob }) }
  }
  const { finishReason, tokens } = await run.result
  let called = false
  if (gate && format) {
    const { calls } = parseCalls(raw, format, tools)
    called = calls.length > 0
    const rest = called ? '' : gate.rest()
    if (rest !== '') yield { type: 'text', text: rest }
    for (const call of calls) yield { type: 'call', call }
  }
  await source.keep(tokens)
  const reason = finishReason === 'stop' ? (called ? 'tool-calls' : 'stop') : 'length'
  yield { type: 'finish', reason, tokens: tokens.length }
}
