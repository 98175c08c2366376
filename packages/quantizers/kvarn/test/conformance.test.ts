import { testQuantizer } from '@qpkv/conformance'
import { test } from 'vitest'
import { kvarn } from '../src/index.ts'

testQuantizer({ test, quantizer: kvarn })
