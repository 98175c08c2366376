import { defineStatistic } from '../statistic.ts'

export const keySimilarity = defineStatistic({
  name: 'key-similarity',
  version: 1,
  doc: "Cosine of a key (after RoPE) with the mean of its head's normalized keys.",
  rows: 'kv',
  reads: ['keys'],
  options: {},
})
