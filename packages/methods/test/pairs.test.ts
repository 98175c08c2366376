import { testPairs } from '@qpkv/conformance'
import { test } from 'vitest'
import { registry } from '../src/index.ts'

testPairs({ test, registry })
