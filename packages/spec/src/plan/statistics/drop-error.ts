import { defineStatistic, queries } from '../statistic.ts'

/** What the attention's output loses if one token is dropped (DropKV). */
export const dropError = defineStatistic({
  name: 'drop-error',
  version: 1,
  doc: 'Squared change of the attention outputs of the observing queries if the token alone were dropped, summed; a probability counts as at most 0.999.',
  rows: 'query',
  reads: ['queries', 'keys', 'values', 'outputs'],
  tolerance: 5e-4,
  options: { queries: queries({ default: 'all', doc: 'Which queries observe.' }) },
})
