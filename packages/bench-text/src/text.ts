import {
  contentHash,
  defineBenchmark,
  path,
  readText,
  samples,
  tokenizerOf,
  whole,
  type Benchmark,
  type BenchSample,
} from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import { textBlocks, type TextBlock } from './text/text-blocks.ts'
import { textTable } from './text/text-table.ts'

interface Block extends BenchSample {
  readonly block: TextBlock
}

/**
 * What a compressed cache makes of a text of the user's: perplexity, KL divergence of the next token's distribution from the full cache's,
 * and how often the likeliest token is the same. A context is compressed, the tokens behind it are fed as they stand; all specs pass a block
 * together, beside the full cache.
 */
export const text: Benchmark = defineBenchmark({
  name: 'text',
  about: 'perplexity and agreement with the full cache on a text of yours',
  options: {
    file: path({ doc: 'A text in UTF-8.', flag: { value: '<FILE>' } }),
    context: whole({ min: 1, default: 1024, doc: 'Tokens before each block; these are compressed.' }),
    stride: whole({
      min: 1,
      default: 128,
      doc: 'Tokens of a block that are judged; the next block begins so much later.',
    }),
    blocks: samples({ doc: 'First blocks. Default: all that the text fills.' }),
  },
  async prepare({ file, context, stride, blocks: count = Infinity }, { model }) {
    if (file === undefined)
      throw new KvError('KV_INVALID_OPTION', 'bench text needs a text.', { hint: 'Give --file FILE.' })
    const content = await readText(file).catch((cause: unknown) => {
      if (KvError.isInstance(cause)) throw cause
      throw new KvError('KV_DATA', `Cannot read ${file}: ${(cause as Error).message}.`, { cause })
    })
    const tokenizer = tokenizerOf(model)
    const begin = tokenizer.encode('')
    const limit = model.config.contextTokens
    const needed = begin.length + context + stride + 1
    if (needed > limit)
      throw new KvError(
        'KV_INVALID_OPTION',
        `A block of ${context} + ${stride} tokens needs ${needed}; the model was made for ${limit}.`,
        {
          hint: `Give --context ${Math.max(1, limit - begin.length - stride - 1)} or less.`,
        },
      )
    const ids = tokenizer.encode(content, { special: false })
    const cut = textBlocks(ids, context, stride)
    if (cut.length === 0)
      throw new KvError(
        'KV_DATA',
        `${file} has ${ids.length} tokens; a block of ${context} + ${stride} needs ${context + stride + 1}.`,
        {
          hint: 'Give a longer text, or less --context.',
        },
      )
    return {
      samples: cut.slice(0, count).map((block): Block => ({
        id: String(block.from),
        facets: { context, stride },
        place: `${file}, token ${block.from}`,
        size: { prompt: begin.length + context, answers: stride },
        block,
      })),
      state: begin,
      data: { text: contentHash(content) },
    }
  },
  ask: ({ block }: Block, { state }) => ({
    ids: [...state, ...block.context],
    questions: [],
    follows: block.follows,
  }),
  score: () => ({}), // a text that follows is judged by its logits
  table: (records, specs) => textTable(records, specs),
})
