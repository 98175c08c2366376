import { defineStatistic } from '../statistic.ts'

/** Euclidean norm of each key. */
export const keyNorm = defineStatistic({
  name: 'key-norm',
  version: 1,
  doc: 'Euclidean norm of a key.',
  rows: 'kv',
  reads: ['keys'],
  options: {},
})
