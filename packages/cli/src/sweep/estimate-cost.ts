import type { NamedSpec, PreparedRun } from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import type { CompressionSpec } from '@qpkv/spec'

const PROBE_TOKENS = 512
const PROBE_DECODE = 16

/** Milliseconds per token, measured on this machine with the run's own specs. */
interface Speed {
  /** One prefill that serves all specs. */
  readonly prefillMs: number
  /** One token of one context. */
  readonly decodeMs: number
}

/** Runs one prompt of 512 arbitrary tokens under all specs that it suits and generates 16 tokens. */
async function measureSpeed(model: Model, rows: readonly NamedSpec[]): Promise<Speed> {
  const tokens = Math.min(PROBE_TOKENS, model.config.contextTokens - PROBE_DECODE)
  const ids = Array.from({ length: tokens }, (_, i) => (i * 7919) % model.config.vocabSize)
  const specs = rows.map(({ spec }) => spec).filter((spec) => suits(model, tokens, spec))
  const started = performance.now()
  const contexts = await model.prefill(ids, { compression: specs.length === 0 ? [{}] : specs })
  const prefillMs = (performance.now() - started) / tokens
  try {
    const [context] = contexts
    if (!context) return { prefillMs, decodeMs: 0 }
    const decoding = performance.now()
    await context.generate({ maxTokens: PROBE_DECODE, temperature: 0, stopTokens: [] }).result
    return { prefillMs, decodeMs: (performance.now() - decoding) / PROBE_DECODE }
  } finally {
    await Promise.all(contexts.map((one) => one.dispose()))
  }
}

function suits(model: Model, tokens: number, spec: CompressionSpec): boolean {
  try {
    model.estimate(tokens, [spec])
    return true
  } catch {
    return false
  }
}

/** An upper bound: every reply at its full length. Attention of very long prompts takes more than the probe says. */
export async function costText(
  model: Model,
  { sizes }: PreparedRun,
  specs: readonly NamedSpec[],
): Promise<{ readonly milliseconds: number; readonly text: string }> {
  const { prefillMs, decodeMs } = await measureSpeed(model, specs)
  const milliseconds = sizes.reduce(
    (sum, { prompt, answers }) => sum + prompt * prefillMs + answers * specs.length * decodeMs,
    0,
  )
  return {
    milliseconds,
    text: `${sizes.length} samples x ${specs.length} specs, at most ${hours(milliseconds)}`,
  }
}

/** `0.7 h`, `12.4 h`; minutes below a tenth of an hour. */
export function hours(milliseconds: number): string {
  const value = milliseconds / 3_600_000
  return value < 0.1
    ? `${value.toFixed(3)} h (${(milliseconds / 60_000).toFixed(1)} min)`
    : `${value.toFixed(1)} h`
}
