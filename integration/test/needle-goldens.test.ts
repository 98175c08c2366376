import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { checkGoldens } from '../src/check-goldens/needle/check-goldens.ts'

const folders: string[] = []

/** The layout of `checkGoldens`: a folder with `metrics/`. */
async function goldenFolder(change: (text: string) => string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'needle-'))
  folders.push(folder)
  await mkdir(join(folder, 'metrics'))
  for (const name of ['needle.jsonl', 'porter_nltk.jsonl']) {
    const text = await readFile(
      new URL(`../../packages/bench-needle/test/goldens/${name}`, import.meta.url),
      'utf8',
    )
    await writeFile(join(folder, 'metrics', name), change(text))
  }
  return folder
}

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
})

describe('scores of the needle', () => {
  it('equal the recorded ones of rouge_score, visualize.py, kvpress and NLTK', async () => {
    const folder = await goldenFolder((text) => text)
    const results = await checkGoldens(folder)
    expect(await checkGoldens(join(folder, 'metrics'))).toEqual(results)
    expect(results).toEqual([
      { family: 'needle', passed: 42, failed: 0, firstDifferences: [] },
      { family: 'porter_nltk', passed: 48, failed: 0, firstDifferences: [] },
    ])
  })

  it('are reported with id and values where they differ', async () => {
    const folder = await goldenFolder((text) =>
      text.replaceAll(/"(rouge1_f_x10|stem)": .*?([,}])/g, '"$1": 77$2'),
    )
    const [needle, porter] = await checkGoldens(folder)
    expect(needle?.failed).toBe(42)
    expect(needle?.firstDifferences[0]).toMatch(/^needle-\d+: rouge1_f_x10: expected 77, got /)
    expect(porter?.failed).toBe(48)
  })

  it('are "not checked" without the files, never passed', async () => {
    const [needle] = await checkGoldens('no-such-folder')
    expect(needle?.notChecked).toContain('needle.jsonl is missing')
    expect(needle?.passed).toBe(0)
  })
})
