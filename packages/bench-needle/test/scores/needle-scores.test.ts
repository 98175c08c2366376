import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { checkGoldens } from '../../src/scores/check-goldens.ts'
import { kvpressRouge } from '../../src/scores/kvpress-rouge.ts'
import { porterStem } from '../../src/scores/porter-stemmer.ts'
import { needleRougeScore, rouge1, rougeL, rougeTokens } from '../../src/scores/rouge-score.ts'
import { wordOverlap } from '../../src/scores/word-overlap.ts'

const NEEDLE =
  '\nThe best thing to do in San Francisco is eat a sandwich and sit in Dolores Park on a sunny day.\n'
const folders: string[] = []

/** The layout of `checkGoldens`: a folder with `metrics/`. */
async function goldenFolder(change: (text: string) => string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'needle-'))
  folders.push(folder)
  await mkdir(join(folder, 'metrics'))
  for (const name of ['needle.jsonl', 'porter_nltk.jsonl']) {
    const text = await readFile(new URL(`../goldens/${name}`, import.meta.url), 'utf8')
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

  it('count an answer without its needle part as far less than a repetition', () => {
    expect(needleRougeScore(NEEDLE, NEEDLE)).toBe(10)
    expect(needleRougeScore(NEEDLE, '')).toBe(0)
    expect(rouge1('a a b', 'a b b')).toEqual({ precision: 2 / 3, recall: 2 / 3, fmeasure: 2 / 3 })
    expect(rougeL('sit in the park', 'park the in sit').recall).toBe(1 / 4)
  })

  it('plot the share of distinct expected words, dot included', () => {
    expect(wordOverlap('Eat a sandwich and sit in Dolores Park on a sunny day.')).toBe(1)
    expect(wordOverlap('eat a sandwich and sit in dolores park on a sunny day')).toBe(10 / 11)
    expect(wordOverlap('yes', 'yes no')).toBe(0.5)
  })

  it('are null for kvpress where the package raises', () => {
    expect(kvpressRouge(NEEDLE, '...')).toBeNull()
  })

  it('stem only words above three letters, and leave letters outside a-z apart', () => {
    expect(rougeTokens('Days of naïve Sandwiches')).toEqual(['day', 'of', 'na', 've', 'sandwich'])
    expect(['dying', 'flies', 'geology', 'generally', 'sky'].map(porterStem)).toEqual([
      'die',
      'fli',
      'geolog',
      'gener',
      'sky',
    ])
  })
})
