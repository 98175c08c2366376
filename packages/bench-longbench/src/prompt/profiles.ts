import type { DatasetName } from '../data/datasets.ts'

export type ProfileName = 'official' | 'qpruningkv' | 'kvcache-factory' | 'kvpress'

/** A fixed text around the prompt, for models whose lower-cased name holds one of `models`. */
export interface ChatWrap {
  models: readonly string[]
  when: 'before-truncation' | 'after-truncation'
  /** `exempt`: the six few-shot and code datasets stay as they are. */
  datasets: 'all' | 'exempt'
  before: string
  after: string
  /** Whether the wrapped text is tokenized with special tokens (false where the text brings its own). */
  special: boolean
}

/** How a released code base runs LongBench. Plain data; `makePrompt` and `stopRule` read it. */
export interface Profile {
  name: ProfileName
  /** `english`: the 16 datasets that are not Chinese. */
  datasets: 'all' | 'english'
  /** Longest prompt by part of the lower-cased model name, the *last* entry that fits; `config`: model2maxlen.json; `none`: no truncation. */
  maxPromptTokens: 'config' | 'none' | readonly (readonly [model: string, tokens: number])[]
  wraps: readonly ChatWrap[]
  /** What a model gets that no wrap is for: its own chat template (except the six datasets, if `exempt`) or nothing. */
  otherwise: 'model-template' | 'model-template-exempt' | 'raw'
  /** `after-template`: the last line of the prompt ("Answer:") stands behind the template, at the start of the answer. */
  answerPrefix: 'in-prompt' | 'after-template'
  /** Ids that end an answer. */
  stop: 'eos' | 'generation-config'
  /** Tokens by name that also end an answer, where the tokenizer has them. */
  stopTokens: readonly string[]
  /** Datasets whose answer also ends at a line feed (the last id of the tokenized line feed). */
  stopAtLineFeed: readonly DatasetName[]
  /** Datasets whose first new token may not end the answer (min_length = prompt + 1). */
  minOneToken: 'all' | readonly DatasetName[]
  /** Added to the official answer length. */
  extraNewTokens: number
  /** `lstrip`: leading white space is taken off every prediction before scoring (not in the per-length scorer). */
  cleaning: 'none' | 'lstrip'
}

const llama2Wrap = (
  before: string,
  after: string,
): Pick<ChatWrap, 'models' | 'before' | 'after' | 'special'> => ({
  models: ['llama2'],
  before,
  after,
  special: true,
})

const shared = {
  answerPrefix: 'in-prompt',
  stop: 'eos',
  stopTokens: [],
  stopAtLineFeed: ['samsum'],
  extraNewTokens: 0,
  cleaning: 'none',
} as const

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  /** THUDM/LongBench, pred.py. Its wraps for models other than llama2 are replaced by the model's own template. */
  official: {
    ...shared,
    name: 'official',
    datasets: 'all',
    maxPromptTokens: 'config',
    wraps: [{ ...llama2Wrap('[INST]', '[/INST]'), when: 'after-truncation', datasets: 'exempt' }],
    otherwise: 'model-template-exempt',
    minOneToken: ['samsum'],
  },
  /** zhzihao/QPruningKV, run_longbench.py: no template for Llama 3 and Mistral, end of text only. */
  qpruningkv: {
    ...shared,
    name: 'qpruningkv',
    datasets: 'english',
    maxPromptTokens: [
      ['llama2', 3950],
      ['llama-2', 3950],
      ['llama3', 7950],
      ['llama-3', 7950],
      ['mistral', 31500],
    ],
    wraps: [{ ...llama2Wrap('[INST] ', ' [/INST]'), when: 'before-truncation', datasets: 'all' }],
    otherwise: 'raw',
    stopAtLineFeed: [],
    minOneToken: 'all',
  },
  /** Zefan-Cai/KVCache-Factory, run_longbench.py as of 2026-07. */
  'kvcache-factory': {
    ...shared,
    name: 'kvcache-factory',
    datasets: 'english',
    maxPromptTokens: [
      ['llama2', 3950],
      ['llama-2', 3950],
      ['llama3', 7500],
      ['llama-3', 7500],
      ['mistral', 31500],
    ],
    wraps: [
      { ...llama2Wrap('[INST] ', ' [/INST]'), when: 'before-truncation', datasets: 'all' },
      {
        models: ['llama-3', 'llama3'],
        when: 'after-truncation',
        datasets: 'exempt',
        before: '<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n',
        after: '<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
        special: false,
      },
    ],
    otherwise: 'raw',
    stop: 'generation-config',
    stopTokens: ['<|eot_id|>', '<|end_of_text|>'],
    minOneToken: 'all',
  },
  /** NVIDIA/kvpress, evaluation: the model's own template, nothing cut, 20 more tokens. */
  kvpress: {
    ...shared,
    name: 'kvpress',
    datasets: 'english',
    maxPromptTokens: 'none',
    wraps: [],
    otherwise: 'model-template',
    answerPrefix: 'after-template',
    stopAtLineFeed: [],
    minOneToken: [],
    extraNewTokens: 20,
    cleaning: 'lstrip',
  },
}
