export { loadModel } from './load-model.ts'
export { modelFacts } from './model/model-facts.ts'
export type { BackendDevice, LoadModelOptions, LoadProgress } from './load-model.ts'
export { downloadModel } from './hub/download-model.ts'
export type { DownloadOptions, DownloadPlan, DownloadProgress } from './hub/download-model.ts'
export { hubSettings } from './hub/hub-settings.ts'
export type { HubSettings } from './hub/hub-settings.ts'
export type { Model } from './model.ts'
export type { ModelStats } from './stats.ts'
export type { PrefillOptions, PrefillProgress } from './prefill-options.ts'
export type { OpenOptions } from './saved/open-context.ts'
export type { SaveOptions } from './saved/save-context.ts'
export type { AppendOptions } from './append-options.ts'
export type { ForkOptions } from './first-tokens.ts'
export type { Context } from './context.ts'
export type { Recompressed, RecompressOptions } from './recompress/recompress-context.ts'
export type { LayerView } from './layer-view.ts'
export type { ContextReport } from './report.ts'
export { clearPacked, listPacked } from './packed/packed-files.ts'
export type { PackedInfo, PackedWeights } from './packed/packed-files.ts'
export { packedSettings } from './packed/packed-settings.ts'
export type { PackedSettings } from './packed/packed-settings.ts'
export type { WeightsInUse } from './weights/weights-in-use.ts'
export type { WeightsMode } from './weights/weights-mode.ts'
export type { CompressionInput, RecipeInput } from './compression-input.ts'
export type { CanaryOptions } from './canary/canary-options.ts'
export type { CanaryReport } from './canary/canary-report.ts'
export { hideNeedles, type HiddenNeedles } from './needles/hide-needles.ts'
export { findsNeedle, makeNeedles, type Needle } from './needles/needle.ts'
export { modelFingerprint } from './model/model-fingerprint.ts'
export type { GenerateOptions } from './generate/generate.ts'
export type { Constraint } from './generate/constraint.ts'
export type { SamplingOptions } from './generate/sampling.ts'
export type { Piece, Run, RunResult, RunTimings, TokenLogprob } from './generate/run.ts'
export type { Prompt, TokenizedPrompt } from './prompt/tokenize-prompt.ts'
export type { Message, TemplateOptions } from './model/chat-template.ts'
export type { ModelConfig } from './model/config.ts'
export { ropeOfLayer } from './model/layer-rope.ts'
export type { GenerationDefaults } from './model/generation-config.ts'
export type { Tokenizer } from './model/tokenizer.ts'
export { loadTokenizer } from './model/tokenizer.ts'
export { exportModel, type ExportedModel } from './gguf/export-model.ts'
export { estimateModel } from './memory/estimate-model.ts'
export type { EstimateOptions, MemoryEstimate } from './memory/estimate-model.ts'
export { availableMemory } from './memory/available-memory.ts'
export { backendDevices } from './native/backend-devices.ts'
export { findAddon, loadAddon } from './native/load-addon.ts'
export type { AddonSource } from './native/load-addon.ts'
export type {
  Addon,
  ModelPrecision,
  NativeBytes,
  NativeContext,
  NativeContextMemory,
  NativeEngine,
  NativeModel,
  NativeModelDescription,
  NativeOpening,
  NativePrefill,
  NativePromptMemory,
  NativeSampling,
  NativeStats,
  NativeTensor,
  NativeToken,
} from './native/addon.ts'
