import type { ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { channelSigns } from '@qpkv/quantizer-hadamard'
import { lloydMax } from '@qpkv/quantizer-turboquant'
import { beyond } from './arrays.ts'
import type { QuantizerCase, QuantizerInput } from './next-quantizers.ts'
import { joined, storedParts } from './stored-by-method.ts'

/** The rotation as stored by the engine in exact float32, or a vector of signs. */
export async function checkRotation(
  engine: ProbeEngine,
  test: QuantizerCase,
  input: QuantizerInput,
): Promise<string | undefined> {
  if (input.has('signs')) return beyond('signs', channelSigns(test.head_dim ?? 0), input.array('signs'), 0)
  const matrix = input.has('matrix')
  const dim = test.head_dim ?? 0
  // The rows of the identity become those of the matrix.
  const identity = Float32Array.from({ length: dim * dim }, (_, i) => (i % (dim + 1) === 0 ? 1 : 0))
  const tensors = matrix ? { k: identity, v: identity, heads: 1, tokens: dim, headDim: dim } : input
  const theirs = input.array(matrix ? 'matrix' : 'rotated')
  const quantize = { method: 'hadamard', recent: tensors.tokens }
  const parts = await storedParts(engine, tensors, quantize, test.tensor ?? 'k')
  const largest = theirs.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  return beyond(
    'rotated values',
    parts.flatMap((head) => joined(head, 'stored')),
    theirs,
    1e-6 * largest,
  )
}

/** Lloyd-Max levels of N(0, 1). */
export async function checkLevels(
  _engine: ProbeEngine,
  test: QuantizerCase,
  input: QuantizerInput,
): Promise<string | undefined> {
  const levels = lloydMax(test.bits ?? 0)
  const boundaries = levels.slice(1).map((level, i) => (level + levels[i]!) / 2)
  return (
    beyond('levels', levels, input.array('centroids'), 1e-6) ??
    beyond('boundaries', boundaries, input.array('boundaries'), 1e-6)
  )
}
