import { testQuantizer } from '@qpkv/conformance'
import { test } from 'vitest'
import { turboquant } from '../src/index.ts'

testQuantizer({ test, quantizer: turboquant })
