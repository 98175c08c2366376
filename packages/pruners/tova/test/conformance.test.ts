import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { tova } from '../src/index.ts'

testPruner({ test, pruner: tova })
