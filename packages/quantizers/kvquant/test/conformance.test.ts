import { testQuantizer } from '@qpkv/conformance'
import { test } from 'vitest'
import { kvquant } from '../src/index.ts'

testQuantizer({ test, quantizer: kvquant })
