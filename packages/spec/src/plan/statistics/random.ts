import { integer } from '../../options/option.ts'
import { defineStatistic } from '../statistic.ts'

/** The baseline that every comparison needs. */
export const random = defineStatistic({
  name: 'random',
  version: 1,
  doc: 'Uniform numbers from 0 to 1 by seed, head and position, the same on every backend.',
  rows: 'kv',
  reads: [],
  options: { seed: integer({ default: 0, min: 0, max: 2 ** 31, doc: 'Another seed, another order.' }) },
})
