import type { BenchTools } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import { openJsonlSource } from '../data/jsonl-source.ts'
import { loadOfficialConfig, type OfficialConfig } from '../data/official-config.ts'
import type { LongBenchInput } from './longbench-input.ts'
import type { LongBenchValues } from './longbench-options.ts'
import { readInputs } from './read-inputs.ts'

/** Rows and prompts of the official files. @throws KvError KV_DATA where no row is left */
export async function readData(
  { rows, config: folder }: LongBenchValues,
  data: string,
  asked: readonly string[],
  { onBadRow }: BenchTools,
): Promise<{ inputs: LongBenchInput[]; config: OfficialConfig }> {
  const config = await loadOfficialConfig((folder ?? data.replace(/\/?data\.zip$/, '')) || '.')
  const source = await openJsonlSource(data)
  const problems: Error[] = []
  const onBad = (error: Error) => {
    problems.push(error)
    onBadRow(error)
  }
  try {
    const inputs = await readInputs(source, {
      datasets: asked,
      onBad,
      ...(rows === undefined ? {} : { rows }),
    })
    if (inputs.length > 0) return { inputs, config }
  } finally {
    await source.close()
  }
  const [first] = problems
  throw new KvError(
    'KV_DATA',
    first ? `No row of LongBench is left: ${first.message}` : 'There is no row of LongBench.',
    {
      hint: 'Point --data to the official data.zip or its folder.',
    },
  )
}
