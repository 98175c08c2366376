import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { vatp } from '../src/index.ts'

testPruner({ test, pruner: vatp })
