// Started by result-file.test.ts, which kills it.
import { setTimeout } from 'node:timers/promises'
import { ResultWriter, runSamples } from '../src/index.ts'
import { answer, identity, rows, samples, versions } from './run-data.ts'

const writer = ResultWriter.open({ path: process.argv[2] ?? '', identity, versions, mode: 'resume' })
await runSamples({
  samples: samples(1000),
  specs: rows,
  writer,
  ask: async ({ id }, specs) => {
    await setTimeout(2)
    return answer(id, specs)
  },
  onRecords: (records) => process.stdout.write(`${records[0]?.sample}\n`),
})
