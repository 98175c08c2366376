import { testQuantizer } from '@qpkv/conformance'
import { test } from 'vitest'
import { hadamard } from '../src/index.ts'

testQuantizer({ test, quantizer: hadamard })
