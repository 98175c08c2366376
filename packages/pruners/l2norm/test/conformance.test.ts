import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { l2norm } from '../src/index.ts'

testPruner({ test, pruner: l2norm })
