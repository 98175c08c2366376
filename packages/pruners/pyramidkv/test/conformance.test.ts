import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { pyramidkv } from '../src/index.ts'

testPruner({ test, pruner: pyramidkv })
