import { expect, test } from 'vitest'
import {
  configOf,
  datasets,
  fillTemplate,
  loadOfficialConfig,
  loadSegmenter,
  openJsonlSource,
  readRows,
  scorer,
  standInRows,
  writeStandIns,
} from '../src/index.ts'
import { collect, scratchFolder } from './helpers/scratch.ts'

const options = { seed: 3, rows: 4, size: 6 }

test('the written stand-ins are read like the official files, and right answers score full marks', async () => {
  const folder = await scratchFolder()
  await writeStandIns(folder, options)
  const [source, config, segment] = [
    await openJsonlSource(folder),
    await loadOfficialConfig(folder),
    await loadSegmenter(),
  ]
  for (const dataset of datasets) {
    const rows = await collect(readRows(source, dataset.name))
    expect(rows).toEqual(standInRows(dataset, options))
    expect(rows.every(({ id }) => id.startsWith('standin-'))).toBe(true)
    const { prompt } = configOf(config, dataset)
    const [first] = rows
    if (!first) throw new Error('Expected rows.')
    expect(fillTemplate(prompt, first).text).toContain(first.context)
    const right = rows.map((row) => ({
      prediction: row.answers[0] ?? '',
      answers: row.answers,
      length: row.length,
    }))
    const wrong = right.map((row) => ({ ...row, prediction: '-' }))
    const classes = first.allClasses
    expect(scorer(dataset, right, classes, { segment })).toBeGreaterThan(dataset.name === 'trec' ? 70 : 99.9)
    expect(scorer(dataset, wrong, classes, { segment })).toBeLessThan(20)
  }
})

test('other seeds give other rows, the same seed the same', () => {
  for (const dataset of datasets) {
    const text = JSON.stringify(standInRows(dataset, options).map((row) => row.context))
    expect(JSON.stringify(standInRows(dataset, options).map((row) => row.context))).toBe(text)
    expect(JSON.stringify(standInRows(dataset, { ...options, seed: 4 }).map((row) => row.context))).not.toBe(
      text,
    )
  }
})
