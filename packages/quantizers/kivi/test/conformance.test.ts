import { testQuantizer } from '@qpkv/conformance'
import { test } from 'vitest'
import { kivi } from '../src/index.ts'

testQuantizer({ test, quantizer: kivi })
