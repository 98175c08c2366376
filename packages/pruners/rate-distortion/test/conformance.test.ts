import { testAllocator } from '@qpkv/conformance'
import { test } from 'vitest'
import { rateDistortion } from '../src/index.ts'

testAllocator({ test, allocator: rateDistortion })
