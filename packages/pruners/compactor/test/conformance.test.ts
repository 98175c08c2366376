import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { compactor } from '../src/index.ts'

testPruner({ test, pruner: compactor })
