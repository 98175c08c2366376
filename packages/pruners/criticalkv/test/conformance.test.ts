import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { criticalkv } from '../src/index.ts'

testPruner({ test, pruner: criticalkv })
