import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { expectedAttention } from '../src/index.ts'

testPruner({ test, pruner: expectedAttention })
