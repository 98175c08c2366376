import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { cake } from '../src/index.ts'

testPruner({ test, pruner: cake })
