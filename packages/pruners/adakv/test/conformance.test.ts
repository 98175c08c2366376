import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { adakv } from '../src/index.ts'

testPruner({ test, pruner: adakv })
