import { contentHash, leftTable, mean, openKeptLines } from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import { checkHeadTable, headTableHash, type HeadTable } from '@qpkv/pruner-duoattention'
import { recordHeads } from '@qpkv/pruner-kvzip'
import { expected, type JsonObject } from '@qpkv/spec'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { addEngineOptions, addModelArgument, openModel, type EngineFlags } from '../options/model.ts'
import { numberFrom } from '../options/numbers.ts'
import { addChunkOptions, readChunks, type ChunkFlags } from '../options/read-chunks.ts'
import { modelName } from '../output/bench-versions.ts'
import { jsonText, put } from '../output/put.ts'
import { StatusLine } from '../output/status-line.ts'
import { refuseExisting } from '../output/write-recipe.ts'
import { packageVersions } from '../package-versions.ts'

interface HeadTableFlags extends EngineFlags, ChunkFlags {
  readonly out: string
  readonly part: number
  readonly replace?: boolean
}

/** What one chunk of text says of the heads, [layers][kvHeads]. */
interface ChunkLine {
  readonly chunk: string
  readonly heads: readonly (readonly number[])[]
}

/** `qpkv head-table`: how much each head of a model needs the whole text, by replays of a few texts, for compression without any. */
export function addHeadTable(program: Command, io: Io): void {
  const described = addModelArgument(
    program
      .command('head-table')
      .description(
        'write a head table for duoattention: which heads look at the whole text, by KVzip replays',
      ),
  )
    .option('--out <FILE>', 'the table', 'heads.json')
    .option('--part <SHARE>', 'part of all tokens that counts as looked at', numberFrom(0.001, 0.999), 0.25)
    .option('--replace', 'write over the file if it is there')
  addEngineOptions(addChunkOptions(described, 4)).action(async (name: string, flags: HeadTableFlags) => {
    await writeHeadTable(name, flags, io)
  })
}

async function writeHeadTable(name: string, flags: HeadTableFlags, io: Io): Promise<void> {
  refuseExisting([flags.out], flags.replace)
  await using model = await openModel({ ...flags, model: name }, io)
  const chunks = await readChunks(model, flags, { of: name, seed: 'heads' })
  const { layers, kvHeads } = model.facts
  const { file, held } = openKeptLines<ChunkLine>({
    path: `${flags.out.replace(/\.json$/, '')}.measured.jsonl`,
    kind: 'measured for a head table',
    identity: { ...identityOf(model), part: flags.part },
    replace: flags.replace,
    check: readLine,
  })
  const status = new StatusLine(io.stderr)
  try {
    const known = new Map(held.map(({ chunk, heads }) => [chunk, heads]))
    for (const [i, ids] of chunks.entries()) {
      const chunk = contentHash(ids)
      if (known.has(chunk)) continue
      status.show(`repeating chunk ${i + 1} of ${chunks.length}`)
      const heads = await headsOf(model, ids, flags.part, io.signal)
      known.set(chunk, heads)
      file.write([{ chunk, heads }])
    }
    const all = chunks.map((ids) => known.get(contentHash(ids))!)
    const tokens = chunks.reduce((sum, ids) => sum + ids.length, 0)
    const table: HeadTable = {
      headTableVersion: 1,
      heads: Array.from({ length: layers }, (_, l) =>
        Array.from({ length: kvHeads }, (_, h) => round(mean(all.map((heads) => heads[l]?.[h] ?? NaN)))),
      ),
      source: `part of the prompt that a replay looks at, mean over ${chunks.length} texts, ${tokens} tokens`,
      model: { name: modelName(model, name), identity: model.facts.identity ?? '' },
    }
    await put(flags.out, jsonText(table))
    const rows = table.heads.map((row, l) => [`${l}`, ...row.map((need) => need.toFixed(3))])
    io.stdout.write(leftTable(['layer', ...Array.from({ length: kvHeads }, (_, h) => `head ${h}`)], rows))
    io.stdout.write(
      `${flags.out}: ${chunks.length} texts, ${tokens} tokens, sha256 ${headTableHash(table)}\nuse it with --prune "duoattention:table=${flags.out}"\n`,
    )
  } finally {
    status.clear()
    file.close()
  }
}

async function headsOf(
  model: Model,
  ids: readonly number[],
  part: number,
  signal: AbortSignal,
): Promise<number[][]> {
  const recorder = recordHeads({ part })
  const context = await model.prefill(ids, {
    compression: {
      prune: { method: 'streamingllm' },
      allocate: recorder.allocate,
      budget: { fraction: 1 / 2 },
    },
    signal,
    onWarning: () => undefined,
  })
  await context.dispose()
  return recorder.heads()
}

const identityOf = ({ facts, precision, table, weights }: Model): JsonObject => ({
  ...packageVersions(),
  model: facts.identity ?? '',
  precision,
  table,
  weights: weights.mode,
})

function readLine(line: JsonObject, where: string): ChunkLine {
  const { chunk, heads } = line
  if (typeof chunk !== 'string') throw expected('a text', `chunk (${where})`, chunk, 'KV_RESULT_FILE')
  return { chunk, heads: checkHeadTable({ headTableVersion: 1, heads }, where).heads }
}

const round = (need: number): number => Math.round(1e4 * need) / 1e4
