import type { SweepJob } from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import type { PreparedBench } from '../bench/prepared-bench.ts'

/** What a job takes at most. */
export interface JobCost {
  readonly samples: number
  readonly specs: number
  readonly milliseconds: number
}

const PROBE_TOKENS = 512
const PROBE_DECODE = 16

/** Milliseconds per token, measured on this machine with the job's own specs. */
export interface Speed {
  /** One prefill that serves all specs. */
  readonly prefillMs: number
  /** One token of one context. */
  readonly decodeMs: number
}

/** Runs one prompt of 512 arbitrary tokens under all specs that it suits and generates 16 tokens. */
export async function measureSpeed(model: Model, job: SweepJob): Promise<Speed> {
  const tokens = Math.min(PROBE_TOKENS, model.config.contextTokens - PROBE_DECODE)
  const ids = Array.from({ length: tokens }, (_, i) => (i * 7919) % model.config.vocabSize)
  const specs = job.specs.map(({ spec }) => spec).filter((spec) => suits(model, tokens, spec))
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

function suits(model: Model, tokens: number, spec: SweepJob['specs'][number]['spec']): boolean {
  try {
    model.estimate(tokens, [spec])
    return true
  } catch {
    return false
  }
}

/** An upper bound: every reply at its full length. Attention of very long prompts takes more than the probe says. */
export const jobCost = (bench: PreparedBench, job: SweepJob, speed: Speed): JobCost => ({
  samples: bench.samples,
  specs: job.specs.length,
  milliseconds:
    bench.cost.promptTokens * speed.prefillMs + bench.cost.newTokens * job.specs.length * speed.decodeMs,
})

/** `0.7 h`, `12.4 h`; minutes below a tenth of an hour. */
export function hours(milliseconds: number): string {
  const value = milliseconds / 3_600_000
  return value < 0.1
    ? `${value.toFixed(3)} h (${(milliseconds / 60_000).toFixed(1)} min)`
    : `${value.toFixed(1)} h`
}
