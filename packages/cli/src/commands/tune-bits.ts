import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readText } from '@qpkv/bench-kit'
import { tuneBits, tuningText, type TuneOptions } from '@qpkv/planner'
import { KvError, parseMethodText } from '@qpkv/spec'
import { InvalidArgumentError, type Command } from 'commander'
import type { Io } from '../io.ts'
import { onlyOnce } from '../options/only-once.ts'
import { openModel, type ModelFlags } from '../options/model.ts'
import { wholeNumber, wholeNumbers } from '../options/numbers.ts'
import { modelName } from '../output/bench-versions.ts'
import { StatusLine } from '../output/status-line.ts'
import { readRegistry } from '../registry.ts'
import { UsageError } from '../usage-error.ts'

type Width = NonNullable<TuneOptions['bits']>

interface TuneFlags extends Omit<ModelFlags, 'model'> {
  readonly text: string
  readonly quantize?: string
  readonly bits: Width
  readonly widths?: readonly Width[]
  readonly context?: number
  readonly measure?: number
  readonly calibrated?: number
  readonly judged?: number
  readonly out: string
  readonly replace?: boolean
}

/** `qpkv tune-bits MODEL`: bits for every layer's keys and values by measured errors. */
export function addTuneBits(program: Command, io: Io): void {
  program
    .command('tune-bits')
    .description(
      "choose the bits of every layer's keys and values by what their errors do to a text of yours",
    )
    .argument(
      '[MODEL]',
      'reference, a Hugging Face folder, a .gguf file, or org/name[@revision]',
      'reference',
    )
    .requiredOption(
      '--text <FILE>',
      'a text like those that will be compressed: one half calibrates, the other judges',
      onlyOnce,
    )
    .option(
      '--quantize <METHOD>',
      'a method that takes bits by layer, such as kivi:group=32 (default: kivi)',
      onlyOnce,
    )
    .option('--bits <N>', 'as many real bytes as this width takes everywhere: 8, 4, 3 or 2', width, 3)
    .option('--widths <N,N>', 'widths to choose from (default: 8,4,3,2)', wholeNumbers(2))
    .option('--context <N>', 'tokens of the longest prompt (default: --measure)', wholeNumber(64))
    .option('--measure <N>', 'tokens of the prompts that are measured (default: 512)', wholeNumber(64))
    .option('--calibrated <N>', 'prompts that errors are measured on (default: 8)', wholeNumber(1))
    .option('--judged <N>', 'prompts that the result is judged on (default: 8)', wholeNumber(2))
    .option('--out <FILE>', 'the recipe, for --recipe', 'recipe.json')
    .option('--replace', 'write over the file if it is there')
    .option('--threads <N>', 'threads (default: all)', wholeNumber(1))
    .option('--table <NAME>', 'op table, such as avx2 (default: the fastest here)')
    .option('--precision <mode>', 'bf16, bf16-fast or f32')
    .option('--weights <mode>', 'auto (as the file has them), stored, int8 or int4')
    .option('--use <PACKAGE...>', 'import methods from installed packages')
    .action(async (name: string, flags: TuneFlags) => {
      await tune(name, flags, io)
    })
}

function width(text: string): Width {
  if (/^[8432]$/.test(text)) return Number(text) as Width
  throw new InvalidArgumentError('Expected 8, 4, 3 or 2.')
}

async function tune(name: string, flags: TuneFlags, io: Io): Promise<void> {
  const { out, bits, widths, context, measure, calibrated, judged } = flags
  if (existsSync(out) && flags.replace !== true)
    throw new UsageError(`${out} is there already.`, 'Choose another name with --out, or add --replace.')
  const text = await readText(flags.text).catch((cause: unknown) => {
    if (KvError.isInstance(cause)) throw cause
    throw new UsageError(`There is no file ${flags.text}.`, 'Check the path after --text.')
  })
  const quantize = parseMethodText(flags.quantize ?? 'kivi')
  await using model = await openModel({ ...flags, model: name }, io)
  const status = new StatusLine(io.stderr)
  const tuning = await tuneBits(model, {
    text,
    quantize,
    bits,
    registry: await readRegistry(flags.use),
    signal: io.signal,
    onProgress: ({ stage, specs }) => {
      status.show(`${stage}, ${specs} specs together`)
    },
    ...(widths && { widths }),
    ...(context !== undefined && { context }),
    ...(measure !== undefined && { measure }),
    ...(calibrated !== undefined && { calibrated }),
    ...(judged !== undefined && { judged }),
  }).finally(() => {
    status.clear()
  })
  io.stdout.write(tuningText(tuning))
  const recipe = { ...tuning.recipe, model: { ...tuning.recipe.model, name: modelName(model, name) } }
  await mkdir(dirname(out), { recursive: true })
  await writeFile(out, `${JSON.stringify(recipe, undefined, 2)}\n`)
  io.stderr.write(`recipe: ${out}; use it with --recipe ${out}\n`)
}
