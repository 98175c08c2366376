import { designEffect, mean, stratifiedMean, wilsonInterval } from '@qpkv/bench-kit'
import type { Baseline, Outcome } from './outcome.ts'

/** How much of the full cache a spec keeps. */
export interface Quality {
  /** 0 to 1: part of the full cache's answers that are kept, or of next tokens whose likeliest is the full cache's. */
  readonly points: number
  /** 95 % interval of `points`. */
  readonly low: number
  readonly high: number
  /** Mean KL of the next token's distribution, nats. */
  readonly kl: number
  /** Answers that `points` counts; 0 where it counts next tokens. */
  readonly answers: number
  /** Excerpts of text. */
  readonly cases: number
}

/** Whether questions say anything of this model: with its full cache it answers at least half. */
export const answersQuestions = (baselines: readonly Baseline[]): boolean => {
  const asked = baselines.reduce((sum, one) => sum + one.asked, 0)
  const found = baselines.reduce((sum, one) => sum + one.found, 0)
  return asked > 0 && found >= asked / 2
}

export function qualityOf(outcomes: readonly Outcome[], byAnswers: boolean): Quality {
  const kl = mean(outcomes.map((one) => one.kl))
  const cases = outcomes.length
  if (byAnswers) {
    const texts = outcomes.map(({ kept }) => kept).filter((kept) => kept.length > 0)
    const answers = texts.flat()
    const right = answers.reduce((sum, one) => sum + one, 0)
    // Questions about one text are not independent.
    const spread = designEffect(texts)
    const interval = wilsonInterval(right / spread, answers.length / spread)
    return { points: right / answers.length, ...interval, kl, answers: answers.length, cases }
  }
  const { mean: points, low, high } = stratifiedMean([outcomes.map(({ top1 }) => top1)])
  const known = Number.isFinite(low)
  return {
    points,
    low: known ? Math.max(0, low) : 0,
    high: known ? Math.min(1, high) : 1,
    kl,
    answers: 0,
    cases,
  }
}

/** Better first: more points, then less divergence. */
export const betterFirst = (a: Quality, b: Quality): number => b.points - a.points || a.kl - b.kl

/** Where not all have as many samples: the higher lower end of the interval first. */
export const surerFirst = (a: Quality, b: Quality): number => b.low - a.low || betterFirst(a, b)
