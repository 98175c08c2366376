// Written by tools/generate-statistics.ts from the files of statistics/.
import { attention } from './statistics/attention.ts'
import { keyNorm } from './statistics/key-norm.ts'
import { keySimilarity } from './statistics/key-similarity.ts'
import { valueNorm } from './statistics/value-norm.ts'
import { valueOutputNorm } from './statistics/value-output-norm.ts'

/** Every statistic of this version. */
export const statistics = { attention, keyNorm, keySimilarity, valueNorm, valueOutputNorm } as const
