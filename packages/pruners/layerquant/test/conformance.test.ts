import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { layerquant } from '../src/index.ts'

testPruner({ test, pruner: layerquant })
