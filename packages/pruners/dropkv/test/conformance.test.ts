import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { dropkv } from '../src/index.ts'

testPruner({ test, pruner: dropkv })
