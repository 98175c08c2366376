import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { snapkv } from '../src/index.ts'

testPruner({ test, pruner: snapkv })
