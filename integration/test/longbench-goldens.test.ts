import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkGoldens } from '../src/check-goldens/longbench/check-goldens.ts'

const goldens = fileURLToPath(new URL('../../packages/bench-longbench/test/goldens', import.meta.url))

let scratch = ''
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'qpkv-goldens-'))
})
afterAll(() => rm(scratch, { recursive: true }))

const families = [
  'jieba_cut',
  'longbench_classification',
  'longbench_code_sim',
  'longbench_count',
  'longbench_qa_f1',
  'longbench_qa_f1_zh',
  'longbench_retrieval',
  'longbench_rouge_l',
  'longbench_rouge_zh',
  'longbench_scorer',
  'longbench_v2_extract',
]

test('every golden row of every family agrees with the official scorers', async () => {
  const results = await checkGoldens(goldens)
  expect(results.map((one) => one.family)).toEqual(families)
  for (const result of results) {
    expect(result.firstDifferences).toEqual([])
    expect(result).toMatchObject({ failed: 0 })
    expect(result.notChecked).toBeUndefined()
    expect(result.passed).toBeGreaterThanOrEqual(30)
  }
})

test('a wrong number, a broken line and an unknown family are told apart', async () => {
  const good = { id: 'a', prediction: '5', ground_truth: '5', score: 1 }
  const wrong = { ...good, id: 'b', score: 0.5 }
  const rows = [JSON.stringify(good), JSON.stringify(wrong), '{"id": "c', '{"id": "d"}'].join('\n')
  await writeFile(join(scratch, 'longbench_count.jsonl'), rows)
  await writeFile(join(scratch, 'longbench_other.jsonl'), `${JSON.stringify(good)}\n`)
  const [count, other] = await checkGoldens(scratch)
  expect(count).toMatchObject({ passed: 1, failed: 2, notChecked: '1 lines are no JSON objects' })
  expect(count?.firstDifferences).toEqual([
    'b.score: expected 0.5 but received 1',
    'd: KvError: Expected a text for "prediction" of golden row d.',
  ])
  expect(other).toMatchObject({ passed: 0, failed: 0, notChecked: 'no check is known for this family' })
})

test('a folder that is not there is an error', async () => {
  await expect(checkGoldens(join(scratch, 'none'))).rejects.toMatchObject({ code: 'KV_DATA' })
})
