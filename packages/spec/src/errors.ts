/** Stable codes of every error and warning; texts may change between versions, codes do not. */
export const errorCodes = {
  KV_ABORTED: 'The work was cancelled by its AbortSignal.',
  KV_ADDON: 'The native addon is missing, was built for another CPU or cannot be loaded.',
  KV_BUDGET_TOO_SMALL: 'The budget is smaller than what must be kept; the message says the size that works.',
  KV_BUSY: 'The context is already generating or appending.',
  KV_CANARY:
    'Hidden numbers were not found again in a compressed copy of the prompt: a warning, or a refusal where the canary was told so.',
  KV_CONFIG:
    'A configuration file (config.json, generation_config.json, …) is missing, broken or contradicts itself.',
  KV_CONFLICT: 'Two parts of a spec contradict each other.',
  KV_CONTRACT:
    'A method was made for another version of the contract; docs/from-0.1-to-0.2.md says what to change.',
  KV_DATA:
    'A data file of a benchmark, a calibration file or a saved context is missing, broken or of something else.',
  KV_DISPOSED: 'The model or context was disposed.',
  KV_DOWNLOAD:
    'A model could not be fetched: not found, not allowed, offline, cut off or broken; the message says which.',
  KV_EQUAL_SHARES: 'Warning: an allocator that measures found nothing to go by; all layers get equal shares.',
  KV_INVALID_OPTION:
    'An option is unknown, has the wrong type or is out of range; the message names its path.',
  KV_INVALID_SPEC:
    'A spec, its text form or its file is malformed; the message names the path or the column.',
  KV_MEMORY: 'The work would not fit in memory; refused before it began, with the figures.',
  KV_METHOD: 'A pruner or quantizer returned something that the contract forbids.',
  KV_MODEL_FILE: 'A weight file is missing, truncated or inconsistent.',
  KV_NO_BUDGET: 'Warning: a pruner without a budget keeps every token.',
  KV_NUMERIC: 'NaN or infinity in weights, scores or values.',
  KV_PROMPT_TOO_LONG: 'The prompt is longer than the context that the model was made for.',
  KV_QUERY_AWARE:
    'Warning: the cache was pruned with another question in mind; what the next one needs may be gone.',
  KV_RECIPE:
    'A recipe is malformed, or was found for another model, length or protocol than it is used for; the message says both.',
  KV_RESULT_FILE: 'A result file is malformed or was made by a newer version.',
  KV_RESULT_LOCKED: 'Another run is writing this result file.',
  KV_TOKENIZER: 'The tokenizer or chat template is missing or broken.',
  KV_UNKNOWN_METHOD: 'No registered method has this name; the nearest name is suggested.',
  KV_UNSUPPORTED:
    'A value that the contract reserves or that this engine cannot run; the message names the field.',
  KV_UNSUPPORTED_MODEL: 'The architecture is not supported; the message lists those that are.',
} as const

/** One of the codes above. */
export type KvErrorCode = keyof typeof errorCodes

const marker = Symbol.for('qpkv.error')

/** Every error that qpkv throws on purpose: a stable `code`, one sentence, and what to try next. */
export class KvError extends Error {
  override readonly name = 'KvError'
  readonly code: KvErrorCode
  /** What to type next, where there is something to suggest. */
  readonly hint?: string

  constructor(
    code: KvErrorCode,
    message: string,
    options: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    if (options.hint !== undefined) this.hint = options.hint
    Object.defineProperty(this, marker, { value: true })
  }

  /** Works across duplicate installs of this package, where `instanceof` does not. */
  static isInstance(value: unknown): value is KvError {
    return value instanceof Error && (value as { [marker]?: unknown })[marker] === true
  }
}

/** How a value reads in a message: short JSON with its type. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'number') return `${value} (number)`
  if (typeof value === 'bigint' || typeof value === 'symbol') return `a ${typeof value}`
  let text: string
  try {
    text = JSON.stringify(value) ?? 'nothing'
  } catch {
    return 'an object that is not JSON'
  }
  const short = text.length > 80 ? `${text.slice(0, 77)}…` : text
  return typeof value === 'string' ? `${short} (text)` : short
}

/** The one voice of validation errors: what was expected, where, and what came. */
export const expected = (
  what: string,
  path: string,
  received: unknown,
  code: KvErrorCode = 'KV_INVALID_OPTION',
  hint?: string,
): KvError =>
  new KvError(code, `Expected ${what} for ${path} but received ${describeValue(received)}.`, { hint })

/** The same error with a place in front of its message, unless it begins with it. What is no error of ours stays as it is. */
export function atPlace(error: unknown, place: string): unknown {
  if (!KvError.isInstance(error) || error.message.startsWith(place)) return error
  return new KvError(error.code, `${place}: ${error.message}`, { hint: error.hint, cause: error })
}
