import { join } from 'node:path'
import { readResults, ResultWriter, runSamples } from '../src/index.ts'
import { answer, identity, rows as specsOfRun, samples, versions } from './run-data.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** A result file of so many samples, read back. */
export async function resultsOf(count: number, specs = specsOfRun) {
  const path = join(temporaryFolder(), 'r.jsonl')
  const writer = ResultWriter.open({ path, identity, versions, mode: 'resume' })
  await runSamples({
    samples: samples(count),
    specs,
    writer,
    ask: async ({ id }, asked) => answer(id, asked),
  })
  writer.close()
  return readResults(path)
}
