export { badData, badReference, type Place } from './bad-data.ts'
export {
  type Category,
  type DatasetFacts,
  type DatasetName,
  type DatasetRequest,
  datasets,
  englishDatasets,
  evenDatasets,
  findDataset,
  type Language,
  type MetricName,
} from './data/datasets.ts'
export { type Line, readLines } from './data/read-lines.ts'
export { checkGoldens, type GoldenResult } from './goldens/check-goldens.ts'
export { type Dictionary, parseDictionary } from './jieba/dictionary.ts'
export { type HmmTables, parseHmmModel, parseProbFiles } from './jieba/hmm-tables.ts'
export { loadSegmenter } from './jieba/load-segmenter.ts'
export { createSegmenter } from './jieba/segmenter.ts'
export { classification } from './metrics/classification.ts'
export { type CodeMatcher, codeSimilarity } from './metrics/code-similarity.ts'
export { countScore } from './metrics/count.ts'
export { difflibRatio } from './metrics/difflib-ratio.ts'
export { firstCodeLine, firstLine } from './metrics/first-line.ts'
export { indelRatio } from './metrics/indel-ratio.ts'
export { chineseTokens, qaF1Zh } from './metrics/qa-f1-zh.ts'
export { normalizeAnswer, qaF1 } from './metrics/qa-f1.ts'
export { retrievalZh } from './metrics/retrieval-zh.ts'
export { retrieval } from './metrics/retrieval.ts'
export { rougeLZh } from './metrics/rouge-l-zh.ts'
export { rougeL } from './metrics/rouge-l.ts'
export { scoreAnswer, scoreReference, type ScoringTools } from './metrics/score-answer.ts'
export type { Segment } from './metrics/segment.ts'
export {
  bucketScores,
  type BucketScores,
  datasetScore,
  rowScores,
  type ScoredRow,
  scorer,
  scorerE,
} from './scores/scorer.ts'
export { type Choice, extractAnswer, kvpressAccepts } from './v2/extract-answer.ts'
