export { askModel, type Asking } from './ask/ask-model.ts'
export type {
  BenchChatTemplate,
  BenchContext,
  BenchModel,
  BenchReport,
  BenchTokenizer,
} from './ask/bench-model.ts'
export {
  encodePrompt,
  promptOf,
  tokenizerOf,
  type BenchProtocol,
  type EncodedPrompt,
  type PromptParts,
} from './ask/encode-prompt.ts'
export { divergence, type Divergence } from './ask/divergence.ts'
export { fillSlots, type FilledPrompt } from './ask/fill-slots.ts'
export { followText, type Followed } from './ask/follow-text.ts'
export { prefillRows } from './ask/prefill-rows.ts'
export type { BenchPrompt, Question } from './ask/question.ts'
export { replyOf, type ReplyRule } from './ask/reply.ts'
export type { BenchSample } from './ask/sample.ts'
export {
  choice,
  defaultText,
  either,
  flagText,
  names,
  numbers,
  path,
  protocol,
  samples,
  text,
  texts,
  whole,
  wholes,
  yesNo,
  type BenchOption,
  type OptionFlag,
  type OptionRole,
  type OptionSettings,
} from './benchmark/bench-option.ts'
export {
  defineBenchmark,
  isBenchmark,
  type Benchmark,
  type BenchmarkDefinition,
  type BenchRun,
  type BenchTools,
  type Prepared,
  type Scores,
} from './benchmark/benchmark.ts'
export { readOptions, type BenchOptions, type BenchValues } from './benchmark/option-values.ts'
export { optionsOfRun, type RunAgain } from './benchmark/options-of-run.ts'
export { prepareRun, type PreparedRun, type RunOptions } from './benchmark/prepare-run.ts'
export { runBenchmark, type RunBenchmarkOptions } from './benchmark/run-benchmark.ts'
export { canonicalJson, contentHash } from './content-hash.ts'
export { dataError } from './data/data-error.ts'
export { fileLines, namedChunks, readLines, type TextLine } from './data/read-lines.ts'
export { reportBadRow, parseObject, readRows, type OnBadRow, type RowFields } from './data/read-rows.ts'
export { decodeText, readText } from './data/read-text.ts'
export { machineFacts, versionFacts, type MachineFacts } from './machine.ts'
export { asciiPunctuation, normalizeAnswer, qaF1 } from './metrics/qa-f1.ts'
export { recursionSteps, rougeL, rougeLShares, type RougeShares } from './metrics/rouge-l.ts'
export { tokenF1 } from './metrics/token-f1.ts'
export {
  heatMapCells,
  heatMapsSvg,
  heatMapSvg,
  type HeatMap,
  type HeatMapsOptions,
} from './pictures/heat-map.ts'
export { svgToPdf } from './pictures/pdf.ts'
export { svgToPng } from './pictures/png.ts'
export { palettes, scoreColor, type Palette } from './pictures/score-color.ts'
export type { TradeoffCurve, TradeoffPoint } from './pictures/tradeoff-curve.ts'
export { tradeoffPlotSvg, type TradeoffPlotOptions } from './pictures/tradeoff-plot.ts'
export { pythonJson } from './python/json.ts'
export { pythonRound } from './python/round.ts'
export { pythonSpace, pythonSplit, pythonStrip } from './python/white-space.ts'
export { SeededRandom } from './random.ts'
export { fileName } from './report/file-name.ts'
export { leftTable, orDash, tableText, textTable } from './report/text-table.ts'
export { meanTable } from './report/mean-table.ts'
export { flatRows, fromJsonDocument, toCsv, toJsonDocument } from './report/export.ts'
export {
  htmlReport,
  type Cell,
  type Column,
  type Figure,
  type Report,
  type ReportSection,
  type Table,
  type TableRow,
} from './report/html-report.ts'
export { bytesOf, frontier, frontiersOf, type ByteCount } from './report/frontiers.ts'
export { budgetTables } from './report/budget-tables.ts'
export { heatMapsOf } from './report/heat-maps.ts'
export { latexReport } from './report/latex-report.ts'
export { toParquet } from './report/parquet.ts'
export { specColumns, type SpecColumns } from './report/spec-columns.ts'
export { markdownReport, markdownTable, type MarkdownOptions } from './report/markdown-report.ts'
export { bestWithin } from './report/overview.ts'
export {
  reportParts,
  resultsReport,
  type ReportPart,
  type ResultsReportOptions,
} from './report/results-report.ts'
export { curvesOf, type NamedFigure } from './report/section-figures.ts'
export { specBits, specKind, type SpecKind } from './report/spec-kind.ts'
export { summarizeSpec, summarizeSpecs, type SpecSummary } from './report/spec-summary.ts'
export { planIdOf, recordIdOf, resultFileName, runIdOf, specIdOf } from './result/ids.ts'
export { lockFile, type FileLock } from './result/lock-file.ts'
export { openKeptLines, type KeptLinesOptions } from './result/kept-lines.ts'
export { type LineFile, type OpenMode } from './result/line-file.ts'
export { collectResults, readResults, type Results } from './result/read-results.ts'
export { RESULT_SCHEMA_VERSION } from './result/record.ts'
export type {
  Answer,
  CacheBytes,
  Facets,
  FailureLine,
  Measurement,
  ModelIdentity,
  PlanLine,
  ResultLine,
  ResumeLine,
  RunHeader,
  RunIdentity,
  SampleRecord,
  SpecLine,
  Timings,
} from './result/record.ts'
export { ResultWriter, type OpenOptions, type SpecResult } from './result/result-writer.ts'
export { upgradeLines, type LineUpgrade } from './result/upgrade.ts'
export { formatDuration, Progress, type ProgressOptions, type ProgressStream } from './run/progress.ts'
export { runParallel } from './run/run-parallel.ts'
export {
  runSamples,
  type Ask,
  type RunSample,
  type AskFailure,
  type AskResult,
  type NamedSpec,
  type RunSamplesOptions,
} from './run/run-samples.ts'
export {
  compareRecords,
  compareResults,
  type CompareOptions,
  type Comparison,
  type SampleDelta,
  withHolm,
} from './stats/compare.ts'
export {
  bootstrapMean,
  mean,
  median,
  wilsonInterval,
  type BootstrapOptions,
  type Interval,
} from './stats/intervals.ts'
export { holm } from './stats/holm.ts'
export { mcnemarExact, pairedShareInterval } from './stats/mcnemar.ts'
export { designEffect, stratifiedMean } from './stats/student.ts'
export { expandGrid, type SweepGrid, type SweepJob, type SweepTask } from './sweep/grid.ts'
export { checkRange, shardRange, type SampleRange, type Shard } from './sweep/sample-range.ts'
