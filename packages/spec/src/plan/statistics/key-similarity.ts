import { defineStatistic } from '../statistic.ts'

/** Cosine of each key with the mean of its head's normalized keys. */
export const keySimilarity = defineStatistic({
  name: 'key-similarity',
  version: 1,
  doc: "Cosine of a key (after RoPE) with the mean of its head's normalized keys.",
  rows: 'kv',
  reads: ['keys'],
  signed: true,
  options: {},
})
