import { attention } from './attention.ts'
import { keyNorm } from './key-norm.ts'
import { keySimilarity } from './key-similarity.ts'
import { valueNorm } from './value-norm.ts'
import { valueOutputNorm } from './value-output-norm.ts'

/** Every statistic that an expression may name. */
export const statistics = { attention, keyNorm, keySimilarity, valueNorm, valueOutputNorm } as const
