import { parquetReadObjects } from 'hyparquet'
import { expect, it } from 'vitest'
import { latexReport, reportParts, svgToPdf, toParquet, tradeoffPlotSvg } from '../src/index.ts'
import { resultsOf } from './results-of.ts'

it('writes rows as Parquet that another reader reads', async () => {
  const bytes = await toParquet([
    { run: 'a', score: 0.5, budget: 64, reply: 'x "y"\n' },
    { run: 'b', score: 1, reply: '' },
  ])
  const rows = await parquetReadObjects({ file: bytes.buffer as ArrayBuffer })
  expect(rows.map((row) => ({ ...row }))).toEqual([
    { run: 'a', score: 0.5, budget: 64, reply: 'x "y"\n' },
    { run: 'b', score: 1, budget: null, reply: '' },
  ])
})

it('says which package is missing', async () => {
  const missing = () => Promise.reject(new Error('no'))
  await expect(toParquet([], missing)).rejects.toThrow(/optional package hyparquet-writer/)
  await expect(svgToPdf('<svg/>', missing)).rejects.toThrow(/pdfkit and svg-to-pdfkit/)
})

it('draws a picture as a PDF page of its size', async () => {
  const points = [{ bytes: 65_536, score: 0.5, low: 0.4, high: 0.6 }]
  const svg = tradeoffPlotSvg({ title: 'T', curves: [{ label: 'one', kind: 'prune', points }] })
  const pdf = Buffer.from(await svgToPdf(svg)).toString('latin1')
  expect(pdf.startsWith('%PDF-')).toBe(true)
  expect(pdf).toContain('/MediaBox [0 0 800 460]')
  expect(pdf).toContain('/BaseFont /Helvetica-Bold')
})

it('writes tables for a paper', async () => {
  const text = latexReport(reportParts([await resultsOf(4)]))
  expect(text).toContain(String.raw`\begin{tabular}{lrrrrrr}`)
  expect(text).toMatch(/\\texttt\{full\} & 1\.000 \{\\scriptsize \(\d\.\d{3}--1\.000\)\} & 4 & /)
  expect(text.match(/\\midrule/g)?.length).toBeGreaterThan(1) // after the head, and between pruners
  expect(text).not.toMatch(/(?<!\\)[&%$#_](?![^\n]* \\\\)(?=\w)/)
})
