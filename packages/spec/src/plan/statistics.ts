// Written by tools/generate-statistics.ts from the files of statistics/.
import { attention } from './statistics/attention.ts'
import { chunkAttention } from './statistics/chunk-attention.ts'
import { dropError } from './statistics/drop-error.ts'
import { expectedAttention } from './statistics/expected-attention.ts'
import { joinedAttention } from './statistics/joined-attention.ts'
import { keyNorm } from './statistics/key-norm.ts'
import { keySimilarity } from './statistics/key-similarity.ts'
import { leverage } from './statistics/leverage.ts'
import { partitionSpread } from './statistics/partition-spread.ts'
import { position } from './statistics/position.ts'
import { random } from './statistics/random.ts'
import { redundancy } from './statistics/redundancy.ts'
import { replayAttention } from './statistics/replay-attention.ts'
import { valueNorm } from './statistics/value-norm.ts'
import { valueOutputNorm } from './statistics/value-output-norm.ts'

/** Every statistic of this version. */
export const statistics = {
  attention,
  chunkAttention,
  dropError,
  expectedAttention,
  joinedAttention,
  keyNorm,
  keySimilarity,
  leverage,
  partitionSpread,
  position,
  random,
  redundancy,
  replayAttention,
  valueNorm,
  valueOutputNorm,
} as const
