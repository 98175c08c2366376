import { expect, it } from 'vitest'
import { downloadText } from '../src/output/download-text.ts'
import { fittingModels } from '../src/output/fitting-models.ts'

const plan = {
  repository: 'org/small',
  folder: 'hub/models--org--small',
  files: 2,
  bytes: 4 * 2 ** 30,
  missingBytes: 3 * 2 ** 30,
  config: { layers: 16, kvHeads: 8, headDim: 64 } as never,
}

it('a download says what, how big, whether it fits, and how to do without', () => {
  const text = downloadText(plan, 16 * 2 ** 30)
  expect(text).toMatch(
    /^org\/small: 3 GiB to fetch \(2 weight files, 4 GiB in all\) into hub\/models--org--small$/m,
  )
  expect(text).toMatch(/weights 4 GiB of 16 GiB .* 8192 tokens takes 256 MiB, about 75.29 MiB with/)
  expect(text).toMatch(/HF_HUB_OFFLINE=1/)
  expect(text).not.toMatch(/does not fit/)
  expect(downloadText(plan, 3 * 2 ** 30)).toMatch(/--weights int8 takes about 2.22 GiB/)
  expect(downloadText(plan, 1.5 * 2 ** 30)).toMatch(/--weights int4 takes about 1.25 GiB/)
  expect(downloadText(plan, 2 ** 30)).toMatch(/it does not fit; 1 GiB are free, too little for/)
  expect(downloadText({ ...plan, config: undefined }, 1)).not.toMatch(/memory:/)
})

it('a machine is told which models fit it, and with which compression', () => {
  const gib = 2 ** 30
  expect(fittingModels(8 * gib)).toBe(
    '8 GiB are free, enough for Qwen/Qwen2.5-3B-Instruct (5.76 GiB), Qwen/Qwen2.5-7B-Instruct --weights int4 (4.44 GiB)',
  )
  expect(fittingModels(40 * gib)).toMatch(
    /2\.5-14B-Instruct \(27.57 GiB\), Qwen\/Qwen2\.5-32B-Instruct --weights int8/,
  )
  expect(fittingModels(gib)).toMatch(/too little/)
})
