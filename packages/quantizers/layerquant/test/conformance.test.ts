import { testQuantizer } from '@qpkv/conformance'
import { test } from 'vitest'
import { layerquant } from '../src/index.ts'

testQuantizer({ test, quantizer: layerquant })
