/** How haystack and question become the prompt. Placeholders `{context}` and `{question}`. */
export interface PromptForm {
  readonly name: string
  readonly text: string
  /** Whether the tokenizer puts its own special tokens around the text. */
  readonly special: boolean
  /** Where the reply ends, beside the model's stop tokens. */
  readonly stop: readonly string[]
}

/** What the papers' codes wrap around every haystack, whatever the model. */
const storyBook =
  '<|im_start|> This is a very long story book: <book> {context} </book>.\n Based on the content of the book, Question: {question}\nAnswer:'

const chat = (name: string, before: string, after: string): PromptForm => ({
  name,
  text: `${before}${storyBook}${after}`,
  special: false,
  stop: ['\n'],
})

/**
 * Forms by name: `plain` for the bundled model, which knows no other words, the text and the beginning of the answer; the bare story book of
 * QPruningKV; and the same in the templates of two model families as KVCache-Factory renders them.
 */
export const promptForms: Readonly<Record<'plain' | 'story-book' | 'llama-3' | 'mistral', PromptForm>> = {
  plain: { name: 'plain', text: '{context}\n{question}', special: true, stop: [] },
  'story-book': { name: 'story-book', text: storyBook, special: true, stop: ['\n'] },
  'llama-3': chat(
    'llama-3',
    '<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n',
    '<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
  ),
  mistral: chat('mistral', '<s>[INST] ', ' [/INST]'),
}

/** A rendered prompt, cut after the last character of the context: `prefix` is what the query-agnostic protocol compresses. */
export interface RenderedPrompt {
  readonly prefix: string
  readonly rest: string
}

export function renderPrompt({ text }: PromptForm, context: string, question: string): RenderedPrompt {
  const [before = '', after = ''] = text.split('{context}')
  return { prefix: before + context, rest: after.replace('{question}', () => question) }
}
