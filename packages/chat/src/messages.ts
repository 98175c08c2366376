import type { Message } from '@qpkv/core'
import { isPlainObject } from '@qpkv/spec'

/** Messages as templates want them: arguments of calls as objects, while OpenAI's form has JSON text. */
export function templateMessages(messages: readonly Message[]): readonly Message[] {
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
      content: message.content ?? '',
      tool_calls: message.tool_calls.map((call) => readCall(call, names)),
    }
  })
}

function readCall(call: unknown, names: Map<string, string>): unknown {
  if (!isPlainObject(call) || !isPlainObject(call['function'])) return call
  const { name, arguments: args } = call['function']
  if (typeof call['id'] === 'string' && typeof name === 'string') names.set(call['id'], name)
  if (typeof args !== 'string') return call
  try {
    return { ...call, function: { ...call['function'], arguments: JSON.parse(args) as unknown } }
  } catch {
    return call
  }
}
