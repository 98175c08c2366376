/** A span of a text: what is compressed, and what follows it. */
export interface TextBlock {
  /** Position in the text of the first token that is compressed. */
  readonly from: number
  /** [context] tokens that are compressed, without the tokenizer's beginning of text. */
  readonly context: readonly number[]
  /** [stride + 1]: the last token of the context's span of logits is given, the `stride` behind it are judged. */
  readonly follows: readonly number[]
}

/**
 * Cuts a tokenized text so that every token behind the first context is judged exactly once: block i compresses `context` tokens from
 * i x stride, and judges the `stride` tokens behind the one that follows them. A last block that is not full is left out.
 */
export function textBlocks(ids: readonly number[], context: number, stride: number): TextBlock[] {
  const count = Math.max(0, Math.floor((ids.length - context - 1) / stride))
  return Array.from({ length: count }, (_, i) => {
    const from = i * stride
    return {
      from,
      context: ids.slice(from, from + context),
      follows: ids.slice(from + context, from + context + stride + 1),
    }
  })
}
