import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { h2o } from '../src/index.ts'

testPruner({ test, pruner: h2o })
