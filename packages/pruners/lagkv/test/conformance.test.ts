import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { lagkv } from '../src/index.ts'

testPruner({ test, pruner: lagkv })
