import { KvError, type KvWarning } from '@qpkv/spec'
import type { CanaryOptions } from './canary-options.ts'

/** What a canary found, and what that cost. Plain JSON. */
export interface CanaryReport {
  /** `unknown`: the model does not answer such questions with its full cache either, or the prompt has no room for them. */
  readonly verdict: 'passed' | 'failed' | 'unknown'
  /**
   * `query-agnostic`: the copy is compressed once and asked afterwards. `query-aware`: the method looks at the end of its prompt, so every
   * question has a copy that ends with it.
   */
  readonly protocol: 'query-aware' | 'query-agnostic'
  /** Questions. */
  readonly asked: number
  /** Answered right with the full cache; only these are counted. */
  readonly full: number
  /** Of these, answered right from the compressed cache. */
  readonly found: number
  /** found / full that passes. */
  readonly threshold: number
  /** Per question: where its number lay, 0 to 1, and who found it. */
  readonly needles: readonly { readonly depth: number; readonly full: boolean; readonly found: boolean }[]
  /** What it cost: time, and tokens that passed the model (a prompt once for all caches, answers for each). */
  readonly ms: number
  readonly tokens: number
}

/** Below this part of answers with the full cache, the questions say nothing. */
const ANSWERED = 0.5

export function judgeCanary(
  needles: CanaryReport['needles'],
  threshold: number,
): Pick<CanaryReport, 'verdict' | 'asked' | 'full' | 'found' | 'threshold' | 'needles'> {
  const asked = needles.length
  const full = needles.filter((one) => one.full).length
  const found = needles.filter((one) => one.full && one.found).length
  const says = asked > 0 && full >= ANSWERED * asked
  const verdict = !says ? 'unknown' : found >= threshold * full ? 'passed' : 'failed'
  return { verdict, asked, full, found, threshold, needles }
}

const numbers = ({ found, full, asked }: CanaryReport) =>
  `of ${asked} hidden numbers the full cache finds ${full}, the compressed one ${found} of these`

/** What is said of a canary that did not pass; throws it as KV_CANARY where a failure refuses. */
export function canaryWarning(
  report: CanaryReport,
  { threshold, onFail }: Required<CanaryOptions>,
): KvWarning | undefined {
  if (report.verdict === 'passed') return undefined
  if (report.verdict === 'unknown')
    return {
      code: 'KV_CANARY',
      message:
        report.asked === 0
          ? 'The canary says nothing: the prompt is too short to hide a number in it.'
          : `The canary says nothing: this model finds ${report.full} of ${report.asked} hidden numbers with its full cache.`,
    }
  const message = `The canary failed: ${numbers(report)}, and ${Math.ceil(threshold * report.full)} are asked for.`
  if (onFail === 'refuse')
    throw new KvError('KV_CANARY', message, {
      hint: 'Give a larger budget or another method (qpkv plan finds one), or lower canary.threshold.',
    })
  return { code: 'KV_CANARY', message }
}
