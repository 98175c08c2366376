import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { keydiff } from '../src/index.ts'

testPruner({ test, pruner: keydiff })
