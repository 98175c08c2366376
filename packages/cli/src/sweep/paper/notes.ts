import type { PaperOptions } from './options.ts'

/** Paragraphs for the end of a report: what a run on the bundled model is, and what the paper found. */
export const paperNotes = ({ model, profile }: PaperOptions): string[] => [
  ...(model === 'reference' ? [illustration] : []),
  ...(profile === 'qpruningkv' ? [simulated] : []),
  ...cited,
]

const illustration =
  "The bundled model has 3.7 million parameters and knows one small made-up world. The paper's grid runs on it to show the pipeline and the shape of the trade-off; it is no benchmark and reproduces no paper."

const simulated =
  'Quantized rows are stored as the released code of the paper stores them (profile qpruningkv): its values, and its bytes counted, but simulated in 16 bit.'

/** The paper's own figures, cited beside ours and never drawn on one axis. */
const cited = [
  'The grid follows "More Tokens, Lower Precision" (Findings of EMNLP 2025, arXiv 2412.12706). The paper reports for Llama-3-8B-Instruct with SnapKV on LongBench (16 datasets, flat mean), at 1/128, 1/64, 1/32, 1/16, 1/8 and 1/4 of 8k tokens: 33.3, 35.7, 38.7, 40.3, 40.9, 41.7 at 16 bit; 35.8, 38.8, 40.4, 41.0, 41.7, 41.9 at 8 bit; 37.9, 39.7, 40.5, 41.0, 41.5, 41.2 at 4 bit; 41.9 with the full cache (read off its figure, within 0.2). On the needle at 1/128: 59 at 16 bit, 84 at 8 bit, 91 at 4 bit.',
  'Those numbers count nominal bits: no scales, no 16-bit window, no padding. They belong to another model, other texts and another protocol than a run on the bundled model, so they stand here as cited data and in no picture.',
]
