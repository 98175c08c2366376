import { KvError } from '@qpkv/spec'
import type { NeedleProtocol } from '@qpkv/reference-model'
import type { NeedlePrompt, NeedleSample } from '../ask.ts'
import type { NeedleModel } from '../needle-model.ts'
import { joinEssays, worldHaystack } from './haystack.ts'
import { insertNeedles, type TextCodec } from './insert-needles.ts'
import { renderPrompt, type PromptForm } from './prompt-forms.ts'

/** `official`: no special tokens in the haystack. `qpruningkv`: its code encodes with them and keeps them when decoding, so they end up in the text. */
export type GridProfile = 'official' | 'qpruningkv'

export interface GridOptions {
  readonly model: NeedleModel
  /** Essays to join, or a seed for a haystack of the bundled world. */
  readonly haystack: { readonly essays: readonly string[] } | { readonly seed: string | number }
  readonly lengths: readonly number[]
  /** Per cent. */
  readonly depths: readonly number[]
  /** One, or several at equal distances behind the first. */
  readonly needles: readonly string[]
  readonly question: string
  readonly expected: string
  readonly form: PromptForm
  /** Default query-aware, as the originals: the question is compressed with the text. */
  readonly protocol?: NeedleProtocol
  /** Tokens kept free for question and answer. Default 200. */
  readonly buffer?: number
  readonly sentenceEnds?: readonly number[]
  readonly profile?: GridProfile
}

/** One sample per length and depth, in that order. Throws KV_TOKENIZER without a tokenizer, KV_DATA; rendering KV_INVALID_OPTION. */
export function gridSamples(options: GridOptions): NeedleSample[] {
  const codec = codecOf(options.model, options.profile ?? 'official')
  const longest = Math.max(0, ...options.lengths)
  const { haystack, protocol = 'query-aware' } = options
  const source =
    'essays' in haystack
      ? joinEssays(haystack.essays, longest, codec)
      : worldHaystack(haystack.seed, longest, codec)
  const ids = codec.encode(source)
  return options.lengths.flatMap((length) =>
    options.depths.map((depth) => ({
      id: `grid/${protocol}/${length}-${depth}`,
      facets: { protocol, length, depth },
      render: () => cell(options, codec, codec.decode(ids.slice(0, length)), length, depth),
    })),
  )
}

function cell(
  options: GridOptions,
  codec: TextCodec,
  haystack: string,
  length: number,
  depth: number,
): NeedlePrompt {
  const { needles, question, expected, form, buffer = 200, sentenceEnds } = options
  const inserted = insertNeedles({
    codec,
    haystack,
    needles,
    depth,
    length,
    buffer,
    ...(sentenceEnds ? { sentenceEnds } : {}),
  })
  const { prefix, rest } = renderPrompt(form, inserted.text, question)
  const agnostic = options.protocol === 'query-agnostic'
  return {
    prompt: agnostic ? prefix : prefix + rest,
    special: form.special,
    questions: [{ id: 'needle', facets: { depth }, text: agnostic ? rest : '', expected }],
  }
}

function codecOf({ tokenizer }: NeedleModel, profile: GridProfile): TextCodec {
  if (!tokenizer) {
    throw new KvError('KV_TOKENIZER', 'The needle grid needs a tokenizer, and the model folder has none.', {
      hint: 'Put tokenizer.json beside config.json.',
    })
  }
  const special = profile === 'qpruningkv'
  return {
    encode: (text) => tokenizer.encode(text, { special }),
    decode: (ids) => tokenizer.decode(ids, { special }),
  }
}
