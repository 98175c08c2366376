import { encodePrompt, type BenchModel } from '@qpkv/bench-kit'
import { hideNeedles, makeNeedles, type Needle, type Tokenizer } from '@qpkv/core'
import type { RecipeProtocol } from '@qpkv/spec'

/** A prompt to compress under every candidate at once. */
export interface PlanPrompt {
  readonly ids: readonly number[]
  readonly userEnd?: number
  readonly questions: readonly PlanQuestion[]
  /** The text that follows the prompt; its first token is given. Empty: none is looked at. */
  readonly follows: readonly number[]
}

export interface PlanQuestion {
  readonly needle: Needle
  /** Appended to the compressed prompt; empty where that ends with the question. */
  readonly text: string
}

/** An excerpt of text, [tokens + follow], and what is hidden in it. */
export interface Excerpt {
  readonly ids: Int32Array
  readonly tokens: number
  readonly seed: number
}

/**
 * The prompts of one excerpt. Asked later: the text with its needles is compressed once, asked for each and followed as it goes on. Asked in
 * the prompt: a prompt per question, and one without any that is followed.
 */
export async function casePrompts(
  model: Pick<BenchModel, 'chatTemplate'> & { readonly tokenizer: Tokenizer },
  { ids, tokens, seed }: Excerpt,
  protocol: RecipeProtocol,
  questions: number,
): Promise<PlanPrompt[]> {
  const { tokenizer } = model
  const chat = model.chatTemplate !== undefined
  const before = ids.subarray(0, tokens)
  const follows = [...ids.subarray(tokens)]
  const needles = makeNeedles(questions, seed)
  const { ids: hidden, hidden: placed } = hideNeedles(before, [0, tokens], needles, tokenizer, seed)
  const text = tokenizer.decode([...hidden])
  const encode = ({ question, lead }: Needle, context: string, way: RecipeProtocol) => {
    const asked = chat ? `\n${question}` : `\nQuestion: ${question}\nAnswer: ${lead}`
    const parts = { content: context + asked, contextEnd: context.length, chat, special: true }
    return encodePrompt(model, { ...parts, answerPrefix: chat ? lead : '' }, way)
  }
  const [first] = needles
  if (!first) return []
  if (protocol === 'query-agnostic') {
    const { ids: prompt } = await encode(first, text, protocol)
    const asked: PlanQuestion[] = []
    for (const { needle } of placed) asked.push({ needle, text: (await encode(needle, text, protocol)).rest })
    return [{ ids: prompt, questions: asked, follows }]
  }
  const prompts: PlanPrompt[] = []
  for (const { needle } of placed) {
    const { rest: _, ...prompt } = await encode(needle, text, protocol)
    prompts.push({ ...prompt, questions: [{ needle, text: '' }], follows: [] })
  }
  const plain = await encode(first, tokenizer.decode([...before]), 'query-agnostic')
  return [...prompts, { ids: plain.ids, questions: [], follows }]
}
