import { testAllocator } from '@qpkv/conformance'
import { test } from 'vitest'
import { equalMemory, uniform } from '../src/index.ts'

for (const allocator of [uniform, equalMemory]) testAllocator({ test, allocator })
