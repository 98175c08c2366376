import { testPruner } from '@qpkv/conformance'
import { test } from 'vitest'
import { streamingllm } from '../src/index.ts'

testPruner({ test, pruner: streamingllm })
