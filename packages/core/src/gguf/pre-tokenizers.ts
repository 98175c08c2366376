/**
 * How byte-level BPE tokenizers cut a text before merging, by `tokenizer.ggml.pre`. The patterns are
 * those that the models' own tokenizer.json files hold.
 */
export interface PreTokenizer {
  /** A tokenizer.json `pre_tokenizer`. */
  readonly cut: Readonly<Record<string, unknown>>
  /** A tokenizer.json `normalizer`, where the model's has one. */
  readonly normalizer?: Readonly<Record<string, unknown>>
  /** A word that stands whole in the vocabulary is one token whatever the merges say. */
  readonly ignoreMerges?: boolean
  /** Whether a text begins with the bos token where the file does not say. */
  readonly addBos?: boolean
}

const byteLevel = (useRegex: boolean) => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
})
const sequence = (...pretokenizers: object[]) => ({ type: 'Sequence', pretokenizers })
const split = (pattern: string) => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior: 'Isolated',
  invert: false,
})
const singleDigits = { type: 'Digits', individual_digits: true }

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const words = String.raw`[^\r\n\p{L}\p{N}]?\p{L}+`
const rest = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
const upper = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
const lower = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`

const gpt2: PreTokenizer = { cut: byteLevel(true) }
const llama3: PreTokenizer = {
  cut: sequence(split(String.raw`${contractions}|${words}|\p{N}{1,3}|${rest}`), byteLevel(false)),
  ignoreMerges: true,
  addBos: true,
}
const qwen2: PreTokenizer = {
  cut: sequence(split(String.raw`${contractions}|${words}|\p{N}|${rest}`), byteLevel(false)),
  normalizer: { type: 'NFC' },
}
const digitsThenWords: PreTokenizer = { cut: sequence(singleDigits, byteLevel(true)) }
const tekken: PreTokenizer = {
  cut: sequence(
    split(
      String.raw`[^\r\n\p{L}\p{N}]?${upper}*${lower}+|[^\r\n\p{L}\p{N}]?${upper}+${lower}*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    ),
    byteLevel(false),
  ),
  ignoreMerges: true,
  addBos: true,
}

/** Keyed by the names that conversion tools write. */
export const preTokenizers: Readonly<Record<string, PreTokenizer>> = {
  'gpt-2': gpt2,
  gpt2,
  'llama-bpe': llama3,
  'llama-v3': llama3,
  llama3,
  qwen2,
  'deepseek-r1-qwen': qwen2,
  smollm: digitsThenWords,
  starcoder: digitsThenWords,
  refact: digitsThenWords,
  'command-r': digitsThenWords,
  tekken,
}
