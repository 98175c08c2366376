import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { rkv } from '../src/index.ts'

testPruner({ test, pruner: rkv })
