import { qaF1, rougeL } from '@qpkv/bench-kit'
import type { DatasetFacts, MetricName } from '../data/datasets.ts'
import { KvError } from '@qpkv/spec'
import { classification } from './classification.ts'
import { type CodeMatcher, codeSimilarity } from './code-similarity.ts'
import { countScore } from './count.ts'
import { firstLine } from './first-line.ts'
import { qaF1Zh } from './qa-f1-zh.ts'
import { retrievalZh } from './retrieval-zh.ts'
import { retrieval } from './retrieval.ts'
import { rougeLZh } from './rouge-l-zh.ts'
import type { Segment } from './segment.ts'

/** What some metrics need beside the two texts. */
export interface ScoringTools {
  /** Chinese word segmentation; needed by `qa-f1-zh` and `rouge-l-zh` only. See `loadSegmenter`. */
  segment?: Segment
  /** Default `levenshtein`. */
  codeMatcher?: CodeMatcher
}

interface Call {
  dataset: DatasetFacts
  prediction: string
  reference: string
  classes: readonly string[] | null
  tools: ScoringTools
}

function segmenterOf({ tools, dataset }: Call): Segment {
  if (tools.segment) return tools.segment
  throw new KvError('KV_DATA', `${dataset.name} is scored over Chinese words, and no segmenter was given.`, {
    hint: 'Pass { segment: await loadSegmenter(assets) }.',
  })
}

function classesOf({ classes, dataset }: Call): readonly string[] {
  if (classes) return classes
  throw new KvError(
    'KV_DATA',
    `${dataset.name} needs all_classes, a list of names, but its rows have none.`,
    {
      hint: 'Take the official file.',
    },
  )
}

const metrics: Readonly<Record<MetricName, (call: Call) => number>> = {
  'qa-f1': ({ prediction, reference }) => qaF1(prediction, reference),
  'qa-f1-zh': (call) => qaF1Zh(call.prediction, call.reference, segmenterOf(call)),
  'rouge-l': ({ prediction, reference }) => rougeL(prediction, reference),
  'rouge-l-zh': (call) => rougeLZh(call.prediction, call.reference, segmenterOf(call)),
  classification: (call) => classification(call.prediction, call.reference, classesOf(call)),
  count: ({ prediction, reference }) => countScore(prediction, reference),
  retrieval: ({ prediction, reference }) => retrieval(prediction, reference),
  'retrieval-zh': ({ prediction, reference }) => retrievalZh(prediction, reference),
  'code-similarity': ({ prediction, reference, tools }) =>
    codeSimilarity(prediction, reference, tools.codeMatcher),
}

/** Score of a prediction against one reference, 0..1, by the metric of the dataset; no first-line cut. */
export function scoreReference(
  dataset: DatasetFacts,
  prediction: string,
  reference: string,
  classes: readonly string[] | null,
  tools: ScoringTools = {},
): number {
  return metrics[dataset.metric]({ dataset, prediction, reference, classes, tools })
}

/** Score of one row, 0..1: the first-line cut where the dataset has it, then the best over the answers (0 for none). */
export function scoreAnswer(
  dataset: DatasetFacts,
  prediction: string,
  answers: readonly string[],
  classes: readonly string[] | null,
  tools: ScoringTools = {},
): number {
  const text = dataset.firstLineOnly ? firstLine(prediction) : prediction
  return answers.reduce(
    (best, answer) => Math.max(best, scoreReference(dataset, text, answer, classes, tools)),
    0,
  )
}
