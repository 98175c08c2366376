import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { duoattention } from '../src/index.ts'

testPruner({ test, pruner: duoattention })
