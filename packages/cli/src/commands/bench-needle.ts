import { InvalidArgumentError, Option, type Command } from 'commander'
import { given } from '../bench/option-reader.ts'
import { NEEDLE_FORMS, prepareNeedle, WORLD_FORM } from '../bench/prepare-needle.ts'
import { runBench } from '../bench/run-bench.ts'
import type { Io } from '../io.ts'
import { addBenchOptions, readRows, type BenchFlags } from '../options/bench.ts'
import { addCompressionOptions } from '../options/compression.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { numberFrom, wholeNumber, wholeNumbers } from '../options/numbers.ts'
import { UsageError } from '../usage-error.ts'

interface NeedleFlags extends ModelFlags, BenchFlags {
  readonly form?: string
  readonly keys?: number
  readonly length?: number[]
  readonly samples?: number
  readonly agnostic?: boolean
  readonly questions?: number
  readonly depths?: DepthFlag
  readonly depthSchedule?: string
  readonly seed?: number
  readonly from?: number
  readonly to?: number
  readonly step?: number
  readonly essays?: string
  readonly order?: string
  readonly needle?: string[]
  readonly question?: string
  readonly expected?: string
  readonly buffer?: number
  readonly sentenceEnds?: number[]
  readonly newTokens?: number
  readonly profile?: string
  readonly predictions?: string
}

/** `10`: that many. `50%` or `0,50,100`: these. */
type DepthFlag = { readonly depthCount: number } | { readonly depths: readonly number[] }

function readDepths(text: string): DepthFlag {
  if (/^\d+$/.test(text)) return { depthCount: wholeNumber(1)(text) }
  const depths = text.split(',').map((part) => numberFrom(0, 100)(part.trim().replace(/%$/, '')))
  if (new Set(depths).size < depths.length)
    throw new InvalidArgumentError('Expected depths that differ from each other.')
  return { depths }
}

/** `qpkv bench needle`: numbers in texts of the bundled world, or the originals' grid over a haystack. */
export function addBenchNeedle(bench: Command, io: Io): void {
  const choice = (flags: string, about: string, choices: readonly string[]) =>
    new Option(flags, about).choices(choices)
  const command = bench
    .command('needle')
    .description('hide numbers in texts of the bundled world, or a sentence in a haystack, and ask for them')
    .addOption(
      choice(
        '--form <NAME>',
        'reference-world (default), or the grid over a haystack in this prompt form; with --from or --essays: story-book, plain for the bundled model',
        NEEDLE_FORMS,
      ),
    )
    .option('--length <N,...>', 'tokens of a text (default 2048)', wholeNumbers(64))
    .option('--depths <N|P,...>', 'how many depths, or which, per cent: 10, or 0,50,100', readDepths)
    .option('--agnostic', 'compress the text alone and ask afterwards (default: text and question together)')
    .option('--seed <N>', 'same seed, same texts (default 1)', wholeNumber(0))
    .option('--keys <N>', 'world: numbers hidden in a text (default 16)', wholeNumber(1))
    .option('--samples <N>', 'world: texts per length (default 100)', wholeNumber(1))
    .option('--questions <N>', 'world: questions per text, with --agnostic (default 4)', wholeNumber(1))
    .option('--from <N>', 'grid: shortest text', wholeNumber(1))
    .option('--to <N>', 'grid: longest text', wholeNumber(1))
    .option('--step <N>', 'grid: from one length to the next', wholeNumber(1))
    .addOption(choice('--depth-schedule <NAME>', 'grid: linear (default) or sigmoid', ['linear', 'sigmoid']))
    .option('--essays <DIR>', 'grid: .txt files as the haystack (see qpkv pull needle-essays)')
    .addOption(
      choice('--order <NAME>', 'grid: essays sorted (default) or as the system lists them', [
        'sorted',
        'listed',
      ]),
    )
    .option('--needle <TEXT...>', "grid: what is hidden (default: the originals' sentence)")
    .option('--question <TEXT>', 'grid: what is asked')
    .option('--expected <TEXT>', 'grid: the answer behind overlap and exact')
    .option('--buffer <N>', 'grid: tokens kept free for question and answer (default 200)', wholeNumber(0))
    .option('--sentence-ends <ID,...>', 'grid: tokens that end a sentence (default: ".")', wholeNumbers(0))
    .option('--new-tokens <N>', 'grid: tokens to generate (default 30)', wholeNumber(1))
    .addOption(
      choice('--profile <NAME>', 'grid: qpruningkv leaves special tokens in the haystack as that code', [
        'official',
        'qpruningkv',
      ]),
    )
    .option('--predictions <DIR>', "grid: a file per cell in the originals' layout, too")
  addBenchOptions(addCompressionOptions(addModelOptions(command))).action(async (flags: NeedleFlags) => {
    const options = optionsOf(flags)
    const specs = await readRows(flags)
    await using model = await openModel(flags, io)
    const tools = { model, modelName: flags.model, strict: flags.strict === true }
    const bench = await prepareNeedle(options, tools)
    if (flags.predictions !== undefined && bench.writePredictions === undefined)
      throw new UsageError(
        'Expected a grid with --predictions.',
        'Add --form plain or --from, --to and --step.',
      )
    const records = await runBench(bench, specs, model, flags, io)
    if (flags.predictions === undefined) return
    const files = (await bench.writePredictions?.(flags.predictions, 'official', records, specs)) ?? []
    io.stderr.write(`predictions: ${files.length} files below ${flags.predictions}\n`)
  })
}

/** Flags that bear the name of the option. */
const SAME = [
  ...(['seed', 'keys', 'samples', 'questions', 'from', 'to', 'step', 'depthSchedule', 'essays'] as const),
  ...(['order', 'question', 'expected', 'buffer', 'sentenceEnds', 'newTokens', 'profile'] as const),
] as const

function optionsOf(flags: NeedleFlags) {
  const { agnostic = false, questions, length, needle, depths, from, to, step, essays } = flags
  const grid = [from, to, step, essays, needle].some((flag) => flag !== undefined)
  const form = flags.form ?? (!grid ? WORLD_FORM : flags.model === 'reference' ? 'plain' : 'story-book')
  if (form === WORLD_FORM && !agnostic && questions !== undefined && questions > 1)
    throw new UsageError(
      'Expected --agnostic with --questions above 1.',
      'A prompt that holds its question has only one.',
    )
  return given({
    ...Object.fromEntries(SAME.map((name) => [name, flags[name]])),
    ...depths,
    form,
    protocol: agnostic ? 'query-agnostic' : 'query-aware',
    lengths: length,
    needles: needle,
  })
}
