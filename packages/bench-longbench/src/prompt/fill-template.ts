import { fillSlots, type FilledPrompt } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'

/**
 * Fills `{context}` and `{input}` as Python's `str.format` does; `{{` and `}}` are braces.
 * @throws KvError KV_DATA for a slot of another name.
 */
export const fillTemplate = (
  template: string,
  values: { readonly context: string; readonly input: string },
): FilledPrompt =>
  fillSlots(template, /\{\{|\}\}|\{([^{}]*)\}/g, 'context', (name, match) => {
    if (match === '{{' || match === '}}') return match.charAt(0)
    if (name === 'context' || name === 'input') return values[name]
    throw new KvError(
      'KV_DATA',
      `Expected the slots {context} and {input} in a prompt template but found ${match}.`,
      { hint: 'Take dataset2prompt.json from the official repository.' },
    )
  })
