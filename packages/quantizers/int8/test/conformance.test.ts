import { testQuantizer } from '@qpkv/conformance'
import { test } from 'vitest'
import { int8 } from '../src/index.ts'

testQuantizer({ test, quantizer: int8 })
