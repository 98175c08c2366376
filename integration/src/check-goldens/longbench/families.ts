import {
  chineseTokens,
  classification,
  codeSimilarity,
  countScore,
  extractAnswer,
  findDataset,
  kvpressAccepts,
  normalizeAnswer,
  qaF1,
  qaF1Zh,
  retrieval,
  retrievalZh,
  rougeL,
  rougeLZh,
  type Segment,
} from '@qpkv/bench-longbench'
import { type GoldenRow, textOf, textsOf } from './golden-row.ts'
import { scoreGolden } from './scorer-goldens.ts'

/** How the rows of one golden file are checked: what we compute, under the names of the fields that hold the truth. */
export interface GoldenFamily {
  needsSegmenter(row: GoldenRow): boolean
  compute(row: GoldenRow, segment: Segment): Record<string, unknown>
}

const pair = (row: GoldenRow): [string, string] => [textOf(row, 'prediction'), textOf(row, 'ground_truth')]
const never = (): boolean => false
const always = (): boolean => true
const plain = (compute: GoldenFamily['compute']): GoldenFamily => ({ needsSegmenter: never, compute })
const chinese = (compute: GoldenFamily['compute']): GoldenFamily => ({ needsSegmenter: always, compute })

/** By file name without ending. */
export const goldenFamilies: Readonly<Record<string, GoldenFamily>> = {
  longbench_qa_f1: plain((row) => {
    const [prediction, reference] = pair(row)
    const normalized = {
      norm_prediction: normalizeAnswer(prediction),
      norm_ground_truth: normalizeAnswer(reference),
    }
    return { score: qaF1(prediction, reference), ...normalized }
  }),
  longbench_qa_f1_zh: chinese((row, segment) => {
    const [prediction, reference] = pair(row)
    return {
      score: qaF1Zh(prediction, reference, segment),
      prediction_tokens: chineseTokens(prediction, segment),
      ground_truth_tokens: chineseTokens(reference, segment),
    }
  }),
  longbench_rouge_l: plain((row) => ({ score: rougeL(...pair(row)) })),
  longbench_rouge_zh: chinese((row, segment) => ({ score: rougeLZh(...pair(row), segment) })),
  longbench_classification: plain((row) => ({
    score: classification(...pair(row), textsOf(row, 'all_classes')),
  })),
  longbench_count: plain((row) => ({ score: countScore(...pair(row)) })),
  longbench_retrieval: plain((row) => ({
    score: row['fn'] === 'retrieval_zh_score' ? retrievalZh(...pair(row)) : retrieval(...pair(row)),
  })),
  longbench_code_sim: plain((row) => ({
    score: codeSimilarity(...pair(row)),
    score_difflib: codeSimilarity(...pair(row), 'difflib'),
  })),
  longbench_scorer: {
    needsSegmenter: (row) =>
      ['qa-f1-zh', 'rouge-l-zh'].includes(findDataset(textOf(row, 'dataset')).facts.metric),
    compute: (row, segment) => scoreGolden(row, { segment }),
  },
  longbench_v2_extract: plain((row) => {
    const response = textOf(row, 'response')
    const hits = (['A', 'B', 'C', 'D'] as const).filter((letter) => kvpressAccepts(response, letter))
    return { pred: extractAnswer(response), kvpress_hits: hits.join('') }
  }),
  jieba_cut: chinese((row, segment) => ({ tokens: segment(textOf(row, 'text')) })),
}
