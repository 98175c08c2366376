import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { chunkkv } from '../src/index.ts'

testPruner({ test, pruner: chunkkv })
