import { tuneBits, tuningText, type TuneOptions } from '@qpkv/planner'
import { omitUndefined, parseMethodText } from '@qpkv/spec'
import { InvalidArgumentError, type Command } from 'commander'
import type { Io } from '../io.ts'
import { onlyOnce } from '../options/only-once.ts'
import { addEngineOptions, addModelArgument, openModel, type EngineFlags } from '../options/model.ts'
import { wholeNumber, wholeNumbers } from '../options/numbers.ts'
import { readGiven } from '../options/read-given.ts'
import { modelName } from '../output/bench-versions.ts'
import { StatusLine } from '../output/status-line.ts'
import { refuseExisting, writeRecipe } from '../output/write-recipe.ts'
import { readRegistry } from '../registry.ts'

type Width = NonNullable<TuneOptions['bits']>

interface TuneFlags extends EngineFlags {
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
  const command = addModelArgument(program.command('tune-bits'))
    .description(
      "choose the bits of every layer's keys and values by what their errors do to a text of yours",
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
  addEngineOptions(command).action(async (name: string, flags: TuneFlags) => {
    await tune(name, flags, io)
  })
}

function width(text: string): Width {
  if (/^[8432]$/.test(text)) return Number(text) as Width
  throw new InvalidArgumentError('Expected 8, 4, 3 or 2.')
}

async function tune(name: string, flags: TuneFlags, io: Io): Promise<void> {
  const { out, bits, widths, context, measure, calibrated, judged } = flags
  refuseExisting([out], flags.replace)
  const text = await readGiven(flags.text, '--text')
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
    ...omitUndefined({ widths, context, measure, calibrated, judged }),
  }).finally(() => {
    status.clear()
  })
  io.stdout.write(tuningText(tuning))
  await writeRecipe(out, tuning.recipe, modelName(model, name), io)
}
