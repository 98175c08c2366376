import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { random } from '../src/index.ts'

testPruner({ test, pruner: random })
