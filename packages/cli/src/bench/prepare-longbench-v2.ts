import { readFile } from 'node:fs/promises'
import { specIdOf, type NamedSpec, type SampleRecord } from '@qpkv/bench-kit'
import {
  readV2Rows,
  runV2,
  v2Identity,
  v2Run,
  v2Scores,
  type LongBenchV2Row,
  type V2Rules,
} from '@qpkv/bench-longbench'
import { KvError } from '@qpkv/spec'
import { modelIdentity } from '../output/bench-versions.ts'
import { table } from '../output/text-table.ts'
import { given, OptionReader } from './option-reader.ts'
import { collectProblems, refuseEmpty } from './problems.ts'
import type { PreparedBench, PrepareBench } from './prepared-bench.ts'
import { PROTOCOLS } from './protocols.ts'

/** LongBench v2 from the user's `data.json` and one of the official prompt files. */
export const prepareLongBenchV2: PrepareBench = async (json, { model, modelName, strict }) => {
  const reader = new OptionReader(json, 'longbench-v2')
  const rules = given({
    protocol: reader.choice('protocol', PROTOCOLS, 'query-aware'),
    maxPromptTokens: reader.whole('maxPromptTokens'),
    newTokens: reader.whole('newTokens'),
  }) as unknown as V2Rules
  const count = reader.whole('rows') ?? Infinity
  const [data, prompt] = [reader.text('data'), reader.text('prompt')]
  reader.done()
  if (data === undefined || prompt === undefined) {
    throw new KvError('KV_INVALID_OPTION', 'LongBench v2 needs its data.json and a prompt file.', {
      hint: 'Give --data data.json and --prompt prompts/0shot.txt of the official repository.',
    })
  }
  const template = await readTemplate(prompt)
  const { problems, meet } = collectProblems(strict)
  const rows: LongBenchV2Row[] = []
  for await (const row of readV2Rows(data, strict ? 'stop' : meet)) {
    if (rows.length >= count) break
    rows.push(row)
  }
  refuseEmpty(rows.length, 'question of LongBench v2', problems, 'Point --data to the official data.json.')
  const shared = { model, rows, template, rules }
  const source = given({ files: true, rows: count === Infinity ? undefined : count })
  return {
    identity: v2Identity(shared, source, await modelIdentity(model, modelName)),
    samples: rows.length,
    cost: {
      promptTokens: rows.reduce(
        (sum, { context }) =>
          sum + Math.min(Math.round(context.length / 4), rules.maxPromptTokens ?? v2Run.maxPromptTokens),
        0,
      ),
      newTokens: rows.length * (rules.newTokens ?? v2Run.maxNewTokens),
    },
    problems,
    run: (run) => runV2({ ...run, ...shared }),
    table: (records, specs) => accuracyTable(records, specs, rows),
  } satisfies PreparedBench
}

async function readTemplate(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new KvError('KV_DATA', `Cannot read the prompt file ${path}: ${(cause as Error).message}.`, {
      cause,
    })
  })
  if (text.includes('$DOC$') && text.includes('$Q$')) return text
  throw new KvError('KV_DATA', `${path}: expected the slots $DOC$ and $Q$ in a prompt file.`, {
    hint: 'Take prompts/0shot.txt of the official repository.',
  })
}

/** Percent right: a row per spec, as the official table. */
function accuracyTable(
  records: readonly SampleRecord[],
  specs: readonly NamedSpec[],
  rows: readonly LongBenchV2Row[],
): string {
  const groups = ['overall', 'easy', 'hard', 'short', 'medium', 'long'] as const
  return table(
    ['spec', ...groups, 'questions'],
    specs.map(({ label, spec }) => {
      const id = specIdOf(spec)
      const accuracy = v2Scores(records, rows, id)
      const cells = groups.map((group) => (Number.isNaN(accuracy[group]) ? '-' : accuracy[group].toFixed(1)))
      return [label, ...cells, String(records.filter((record) => record.spec === id).length)]
    }),
  )
}
