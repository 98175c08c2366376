/** A filled template. */
export interface FilledPrompt {
  readonly text: string
  /** Where the context ends in `text`, in UTF-16 units: the protocol `query-agnostic` cuts there. 0 where the template has no slot for it. */
  readonly contextEnd: number
}

/**
 * Fills a template in one pass: what a slot brings in is never taken for a slot itself.
 * @param slots finds slots, and what stands for a brace; its group is a slot's name
 * @param context name of the context's slot
 * @param fill the text in place of a match
 */
export function fillSlots(
  template: string,
  slots: RegExp,
  context: string,
  fill: (name: string, match: string) => string,
): FilledPrompt {
  let text = ''
  let from = 0
  let contextEnd = 0
  for (const { 0: match, 1: name = '', index } of template.matchAll(slots)) {
    text += template.slice(from, index) + fill(name, match)
    from = index + match.length
    if (name === context) contextEnd = text.length
  }
  return { text: text + template.slice(from), contextEnd }
}
