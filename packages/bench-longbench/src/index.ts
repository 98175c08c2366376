export { longBench, longBench as default } from './longbench.ts'
export { longBenchV2 } from './longbench-v2.ts'
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
export { normalizeAnswer, qaF1 } from '@qpkv/bench-kit'
export { retrievalZh } from './metrics/retrieval-zh.ts'
export { retrieval } from './metrics/retrieval.ts'
export { rougeLZh } from './metrics/rouge-l-zh.ts'
export { rougeL } from '@qpkv/bench-kit'
export { scoreAnswer, scoreReference, type ScoringTools } from './metrics/score-answer.ts'
export type { Segment } from './metrics/segment.ts'
export {
  bucketScores,
  type BucketScores,
  datasetScore,
  rowScores,
  type ScoredRow,
  scorer,
} from './scores/scorer.ts'
export { type Choice, extractAnswer, kvpressAccepts } from './v2/extract-answer.ts'
export {
  findPredictionFiles,
  findPredictionFolders,
  officialPath,
  type PredictionFile,
  type PredictionLayout,
  qpruningkvPath,
} from './predictions/find-files.ts'
export { officialLine, parsePrediction, type Prediction, qpruningkvLine } from './predictions/prediction.ts'
export { type FileScore, readPredictions, scorePredictionFile } from './predictions/score-file.ts'
export { fillTemplate } from './prompt/fill-template.ts'
export { type MadePrompt, makePrompt, maxPromptTokens, type PromptModel } from './prompt/make-prompt.ts'
export { type ChatWrap, type Profile, type ProfileName, profiles } from './prompt/profiles.ts'
export { cleanPrediction, type StopRule, stopRule } from './prompt/stop-rule.ts'
export {
  type PromptTokenizer,
  truncateMiddle,
  truncateMiddleJoined,
  type TruncatedPrompt,
} from './prompt/truncate-middle.ts'
export {
  categoryMeans,
  type DatasetScores,
  flatMean,
  type LabelledAverage,
  sixCategoryMean,
} from './scores/averages.ts'
export {
  standInConfig,
  standInNotice,
  type StandInOptions,
  standInRows,
  writeStandIns,
} from './standin/stand-ins.ts'
export { fillV2Template, v2Run } from './v2/fill-template.ts'
export { type LongBenchV2Row, parseV2Row, readV2Rows } from './v2/row.ts'
export { type JsonlSource, openJsonlSource } from './data/jsonl-source.ts'
export { configOf, loadOfficialConfig, type OfficialConfig } from './data/official-config.ts'
export { readRows } from './data/read-rows.ts'
export { type LongBenchRow, parseRow } from './data/row.ts'
export { jiebaTableFiles, longBenchConfigFiles, type OfficialFile } from './data/official-files.ts'
export type { LongBenchInput } from './run/longbench-input.ts'
export { longBenchBuckets, longBenchScores } from './run/longbench-scores.ts'
export { longBenchTable } from './run/longbench-table.ts'
export { readInputs, type ReadOptions, standInInputs } from './run/read-inputs.ts'
export { type PredictionOptions, writePredictions } from './run/write-predictions.ts'
