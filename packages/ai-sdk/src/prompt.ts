import type {
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4ToolResultOutput,
} from '@ai-sdk/provider'
import type { Message } from '@qpkv/core'
import { KvError } from '@qpkv/spec'

/** The SDK's prompt as messages for a chat template. @throws KV_UNSUPPORTED for anything but text and tools */
export function toMessages(prompt: LanguageModelV4Prompt): Message[] {
  return prompt.flatMap(toMessage)
}

function toMessage(message: LanguageModelV4Message): Message[] {
  if (message.role === 'system') return [{ role: 'system', content: message.content }]
  if (message.role === 'user')
    return [
      {
        role: 'user',
        content: message.content
          .map((part) => (part.type === 'text' ? part.text : refuse(part.type)))
          .join(''),
      },
    ]
  if (message.role === 'tool')
    return message.content.map((part) =>
      part.type === 'tool-result'
        ? {
            role: 'tool',
            content: outputText(part.output),
            tool_call_id: part.toolCallId,
            name: part.toolName,
          }
        : refuse(part.type),
    )
  let content = ''
  const calls: unknown[] = []
  for (const part of message.content) {
    if (part.type === 'text') content += part.text
    else if (part.type === 'tool-call')
      calls.push({
        id: part.toolCallId,
        type: 'function',
        function: {
          name: part.toolName,
          arguments: typeof part.input === 'string' ? part.input : JSON.stringify(part.input),
        },
      })
    else if (part.type !== 'reasoning') refuse(part.type)
  }
  return [{ role: 'assistant', content, ...(calls.length > 0 && { tool_calls: calls }) }]
}

function outputText(output: LanguageModelV4ToolResultOutput): string {
  if (output.type === 'text' || output.type === 'error-text') return output.value
  if (output.type === 'json' || output.type === 'error-json') return JSON.stringify(output.value)
  if (output.type === 'execution-denied') return output.reason ?? 'The user denied it.'
  return output.value.map((part) => (part.type === 'text' ? part.text : refuse(part.type))).join('\n')
}

function refuse(type: string): never {
  throw new KvError('KV_UNSUPPORTED', `The model reads text; the prompt has a part of type ${type}.`)
}
