import { defineStatistic } from '../statistic.ts'

/** Where a token stands. */
export const position = defineStatistic({
  name: 'position',
  version: 1,
  doc: 'The position of each token, from 0: later ones are worth more.',
  rows: 'kv',
  reads: [],
  options: {},
})
