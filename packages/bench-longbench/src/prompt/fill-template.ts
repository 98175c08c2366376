import { KvError } from '@qpkv/spec'

/** A filled prompt and where its context lies, in UTF-16 units: `text.slice(contextStart, contextEnd)`. */
export interface FilledPrompt {
  text: string
  contextStart: number
  contextEnd: number
}

/**
 * Fills `{context}` and `{input}` as Python's `str.format` does (`{{` and `}}` are braces), in one pass: contexts hold
 * text that looks like slots or like replacement patterns. Where there is no context slot both ends are 0.
 * The end of the context is where the protocol `query-agnostic` cuts.
 * @throws KvError KV_DATA for a slot of another name.
 */
export function fillTemplate(template: string, values: { context: string; input: string }): FilledPrompt {
  let contextStart = 0
  let contextEnd = 0
  let text = ''
  let from = 0
  for (const slot of template.matchAll(/\{\{|\}\}|\{([^{}]*)\}/g)) {
    text += template.slice(from, slot.index)
    from = slot.index + slot[0].length
    if (slot[1] === undefined) text += slot[0].charAt(0)
    else if (slot[1] === 'input') text += values.input
    else if (slot[1] === 'context') {
      contextStart = text.length
      text += values.context
      contextEnd = text.length
    } else {
      throw new KvError(
        'KV_DATA',
        `Expected the slots {context} and {input} in a prompt template but found ${slot[0]}.`,
        {
          hint: 'Take dataset2prompt.json from the official repository.',
        },
      )
    }
  }
  return { text: text + template.slice(from), contextStart, contextEnd }
}
