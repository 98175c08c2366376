import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { kvzip } from '../src/index.ts'

testPruner({ test, pruner: kvzip })
