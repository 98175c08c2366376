import { testAllocator, testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { cake, layerPreference } from '../src/index.ts'

testPruner({ test, pruner: cake })
testAllocator({ test, allocator: layerPreference })
