import { join } from 'node:path'
import { KvError } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { openJsonlSource, readRows } from '../src/index.ts'
import { makeZip } from './helpers/make-zip.ts'
import { jsonLines, officialRow } from './helpers/rows.ts'
import { collect, scratchFolder } from './helpers/scratch.ts'

const two = jsonLines(officialRow(), officialRow({ _id: 'a2', answers: [7] }))

test('rows come out of the official zip and out of a folder alike', async () => {
  const folder = await scratchFolder({
    'data/hotpotqa.jsonl': two,
    'data.zip': makeZip({
      'data/hotpotqa.jsonl': two,
      'data/hotpotqa_e.jsonl': two,
      '__MACOSX/data/._hotpotqa.jsonl': 'x',
    }),
  })
  const fromFolder = await openJsonlSource(folder)
  const fromZip = await openJsonlSource(join(folder, 'data.zip'))
  expect(fromFolder.names).toEqual(['hotpotqa'])
  expect(fromZip.names).toEqual(['hotpotqa', 'hotpotqa_e'])
  const rows = await collect(readRows(fromZip, 'hotpotqa_e'))
  expect(rows).toEqual(await collect(readRows(fromFolder, 'hotpotqa')))
  expect(rows.map((row) => row.answers)).toEqual([['the mill'], ['7']])
  expect(rows[0]?.context).toContain('\u2028')
  await fromZip.close()
  const holder = await openJsonlSource(
    await scratchFolder({ 'data.zip': makeZip({ 'data/lcc.jsonl': two }) }),
  )
  expect(holder.names).toEqual(['lcc'])
  await holder.close()
})

/** The message of reading one bad file strictly. */
async function problemOf(content: string | Buffer, name = 'hotpotqa'): Promise<string> {
  const source = await openJsonlSource(await scratchFolder({ [`${name}.jsonl`]: content }))
  const error: unknown = await collect(readRows(source, name)).catch((thrown: unknown) => thrown)
  if (!KvError.isInstance(error)) throw new Error('Expected a KvError.')
  expect(error.code).toBe('KV_DATA')
  return error.message.replace(/^.*?hotpotqa\.jsonl/, 'hotpotqa.jsonl')
}

test('bad data is named with file and line', async () => {
  const good = jsonLines(officialRow())
  expect(await problemOf(`${good}{"input": "cut`)).toMatch(/^hotpotqa.jsonl:2: expected one JSON object/)
  expect(await problemOf(`${good}[1]\n`)).toMatch(
    /^hotpotqa.jsonl:2: expected one JSON object but received \[1\]/,
  )
  expect(
    await problemOf(Buffer.concat([Buffer.from(good), Buffer.from('{"input": "caf\xe9"}\n', 'latin1')])),
  ).toMatch(/^hotpotqa.jsonl:2: expected UTF-8/)
  expect(await problemOf(Buffer.from(`\ufeff${good}`, 'utf16le'))).toMatch(
    /^hotpotqa.jsonl:1: expected UTF-8/,
  )
  expect(await problemOf(jsonLines(officialRow({ answers: 'x' })))).toMatch(
    /:1: expected a list of texts for "answers"/,
  )
  const { context: _, ...rest } = officialRow()
  expect(await problemOf(jsonLines(rest))).toMatch(/:1: the field "context" is missing/)
  expect(await problemOf('')).toMatch(/^hotpotqa.jsonl: there is no row/)
  expect(await problemOf(jsonLines(officialRow({ dataset: 'qasper' })))).toMatch(
    /:1: expected a row of hotpotqa but it says "qasper"/,
  )
  expect(await problemOf(jsonLines({ index: 0, input: 'x', outputs: [] }))).toMatch(
    /:1: .* this is one of RULER/,
  )
  expect(await problemOf(jsonLines({ choice_A: 'x' }))).toMatch(/this is one of LongBench v2/)
  expect(await problemOf(jsonLines({ needle: 'x' }))).toMatch(/this is one of the needle test/)
})

test('a byte order mark is no bad data', async () => {
  const source = await openJsonlSource(await scratchFolder({ 'hotpotqa.jsonl': `\ufeff${two}` }))
  expect(await collect(readRows(source, 'hotpotqa'))).toHaveLength(2)
})

test('told to go on, the reader reports every bad line and gives the others', async () => {
  const content = `${jsonLines(officialRow())}nonsense\n\n${jsonLines(officialRow({ length: -1 }), officialRow({ _id: 'a3' }))}`
  const source = await openJsonlSource(await scratchFolder({ 'hotpotqa.jsonl': content }))
  const lines: string[] = []
  const rows = await collect(
    readRows(source, 'hotpotqa', (error) => lines.push(error.message.split('jsonl:')[1] ?? '')),
  )
  expect(rows.map((row) => row.id)).toEqual(['a1', 'a3'])
  expect(lines.map((line) => line.split(':')[0])).toEqual(['2', '4'])
  expect(await collect(readRows(source, 'qasper', (error) => lines.push(error.message)))).toEqual([])
  expect(lines.at(-1)).toContain('has no qasper.jsonl')
})

test('an unknown dataset, a missing path and a broken zip say what to do', async () => {
  const zip = makeZip({ 'data/hotpotqa.jsonl': two.repeat(50) })
  const folder = await scratchFolder({ 'cut.zip': zip.subarray(0, zip.length - 30), 'x.parquet': 'x' })
  const source = await openJsonlSource(folder)
  await expect(collect(readRows(source, 'hotpot'))).rejects.toMatchObject({
    code: 'KV_INVALID_OPTION',
    hint: expect.stringContaining('hotpotqa') as string,
  })
  await expect(openJsonlSource(join(folder, 'none'))).rejects.toMatchObject({
    code: 'KV_DATA',
    hint: expect.stringContaining('qpkv pull longbench') as string,
  })
  await expect(openJsonlSource(join(folder, 'cut.zip'))).rejects.toThrow(/cut.zip: the zip cannot be read/)
  await expect(openJsonlSource(join(folder, 'x.parquet'))).rejects.toThrow(
    /expected a .zip, a .jsonl file or a folder/,
  )
})

test('a zip whose entry is damaged is bad data, not a crash', async () => {
  const zip = makeZip({ 'data/hotpotqa.jsonl': two.repeat(50) })
  zip.fill(0xff, 60, 90)
  const folder = await scratchFolder({ 'data.zip': zip })
  const source = await openJsonlSource(join(folder, 'data.zip'))
  await expect(collect(readRows(source, 'hotpotqa'))).rejects.toMatchObject({ code: 'KV_DATA' })
  await source.close()
})
