import type { Message } from '@qpkv/core'
import { isPlainObject } from '@qpkv/spec'
import type { CallInput } from './tools/tool-format.ts'

/** Most templates want arguments of calls as objects, while OpenAI's form has JSON text. */
const USUAL: CallInput = { text: false, content: '' }

/** Messages as the template wants them. */
export function templateMessages(messages: readonly Message[], wants = USUAL): readonly Message[] {
  const names = new Map<string, string>()
  return messages.map((message) => {
    // Some templates write the tool's name beside its answer.
    if (message.role === 'tool' && message.name === undefined) {
      const name = names.get(message.tool_call_id ?? '')
      return name === undefined ? message : { ...message, name }
    }
    if (!message.tool_calls) return message
    return {
      ...message,
      content: message.content || wants.content,
      tool_calls: message.tool_calls.map((call) => readCall(call, names, wants)),
    }
  })
}

function readCall(call: unknown, names: Map<string, string>, { text }: CallInput): unknown {
  if (!isPlainObject(call) || !isPlainObject(call['function'])) return call
  const { name, arguments: args } = call['function']
  if (typeof call['id'] === 'string' && typeof name === 'string') names.set(call['id'], name)
  if (typeof args !== 'string' || text) return call
  try {
    return { ...call, function: { ...call['function'], arguments: JSON.parse(args) as unknown } }
  } catch {
    return call
  }
}
