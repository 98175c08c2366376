import { readLayerVectors } from '@qpkv/conformance'
import { expect, test } from 'vitest'
import { chunkkv, wholeChunks } from '../src/index.ts'

const { cases, run, tokens } = readLayerVectors(new URL('goldens/kvpress.json', import.meta.url))

test.each(cases)('equals what kvpress keeps: $kind $params', ({ kind, params, kept }) => {
  const { window, kernel, chunk, ratio } = params as Record<string, number>
  const options = { window: window!, kernel: kernel!, chunk: chunk! }
  const fraction = Number((1 - ratio!).toPrecision(15))
  const ours =
    kind === 'entropy'
      ? run(
          {
            budget: { tokens: kept[0]!.length },
            prune: chunkkv({ profile: 'kvpress-entropy', ...options, rescue: Number(params['rescue']) }),
          },
          [],
        )
      : run(
          {
            budget: { fraction },
            prune: chunkkv({ profile: 'kvpress', ...options }),
            allocate: wholeChunks({ chunk: chunk!, count: 'share' }),
          },
          [],
        )
  // Tokens of the window all score 1 more than the highest; which of them fill up a chunk's places is torch's choice.
  const before = (own: readonly number[]) => own.filter((t) => kind !== 'entropy' || t < tokens - window!)
  expect(ours.kept.map(before)).toEqual(kept.map(before))
  expect(ours.kept.map((own) => own.length)).toEqual(kept.map((own) => own.length))
})
