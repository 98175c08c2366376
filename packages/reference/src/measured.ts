// Written by tools/generate-statistics.ts from the files of packages/spec/src/plan/statistics.
import { attention } from './measured/attention.ts'
import { chunkAttention } from './measured/chunk-attention.ts'
import { dropError } from './measured/drop-error.ts'
import { expectedAttention } from './measured/expected-attention.ts'
import { joinedAttention } from './measured/joined-attention.ts'
import { keyNorm } from './measured/key-norm.ts'
import { keySimilarity } from './measured/key-similarity.ts'
import { leverage } from './measured/leverage.ts'
import { partitionSpread } from './measured/partition-spread.ts'
import { position } from './measured/position.ts'
import { random } from './measured/random.ts'
import { redundancy } from './measured/redundancy.ts'
import { replayAttention } from './measured/replay-attention.ts'
import { valueNorm } from './measured/value-norm.ts'
import { valueOutputNorm } from './measured/value-output-norm.ts'

/** How each statistic is measured. */
export const measured = {
  attention,
  'chunk-attention': chunkAttention,
  'drop-error': dropError,
  'expected-attention': expectedAttention,
  'joined-attention': joinedAttention,
  'key-norm': keyNorm,
  'key-similarity': keySimilarity,
  leverage,
  'partition-spread': partitionSpread,
  position,
  random,
  redundancy,
  'replay-attention': replayAttention,
  'value-norm': valueNorm,
  'value-output-norm': valueOutputNorm,
}
