export { needle, needle as default } from './needle.ts'
export { depthGrid, lengthGrid, type DepthSchedule, type LengthOptions } from './grid/grid.ts'
export { joinEssays, readEssays, worldHaystack, type EssayOrder } from './grid/haystack.ts'
export {
  insertNeedles,
  type InsertedNeedles,
  type InsertOptions,
  type TextCodec,
} from './grid/insert-needles.ts'
export { promptForms, renderPrompt, type PromptForm, type RenderedPrompt } from './grid/prompt-forms.ts'
export { scoreReply } from './grid/score-reply.ts'
export {
  originalHeatMap,
  type OriginalHeatMapOptions,
  type OriginalScore,
} from './original/original-heat-map.ts'
export { readOriginalFolder, type OriginalFolder, type OriginalResult } from './original/read-original.ts'
export { originalFileName, toOriginal, writeOriginalFolder } from './original/write-original.ts'
export { demoRows, needleRow, protocolPruner, type DemoRowsOptions, type NeedleRow } from './world/rows.ts'
export { defaultDepths } from './world/world-needle.ts'
export { kvpressRouge, type KvpressRouge } from './scores/kvpress-rouge.ts'
export { porterStem } from './scores/porter-stemmer.ts'
export { needleRougeScore, rouge1, rougeL, type Overlap } from './scores/rouge-score.ts'
export { NEEDLE_ANSWER, wordOverlap } from './scores/word-overlap.ts'
export { needleTable } from './summary/needle-table.ts'
export type { NeedleResult, NeedleTask } from './summary/needle-result.ts'
export { summarizeRows, type RowSummary } from './summary/summarize.ts'
export { verdict, winners, type Winner } from './summary/verdict.ts'
export {
  needleOutcome,
  writeDemoFiles,
  type DemoFilesOptions,
  type NeedleOutcome,
  type WrittenFile,
} from './summary/write-demo-files.ts'
