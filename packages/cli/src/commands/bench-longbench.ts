import { Option, type Command } from 'commander'
import { given } from '../bench/option-reader.ts'
import { prepareLongBench } from '../bench/prepare-longbench.ts'
import { runBench } from '../bench/run-bench.ts'
import type { Io } from '../io.ts'
import { addBenchOptions, readRows, type BenchFlags } from '../options/bench.ts'
import { addCompressionOptions } from '../options/compression.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { words, wholeNumber } from '../options/numbers.ts'

interface LongBenchFlags extends ModelFlags, BenchFlags {
  readonly data?: string
  readonly config?: string
  readonly assets?: string
  readonly standIns?: boolean
  readonly profile: string
  readonly datasets?: string[]
  readonly rows?: number
  readonly agnostic?: boolean
  readonly seed?: number
  readonly maxPromptTokens?: number
  readonly newTokens?: number
  readonly predictions?: string
  readonly layout: 'official' | 'qpruningkv'
}

/** `qpkv bench longbench`: LongBench's datasets, from the official files. */
export function addBenchLongBench(bench: Command, io: Io): void {
  const command = bench
    .command('longbench')
    .description('LongBench: questions, summaries, few-shot and code over long texts')
    .option(
      '--data <PATH>',
      'the official data.zip, its folder, or one .jsonl file (see qpkv pull longbench)',
    )
    .option('--config <DIR>', 'folder with dataset2prompt.json and its kin (default: beside the data)')
    .option('--assets <DIR>', "folder with jieba's tables, for Chinese datasets (see qpkv pull lexica)")
    .option('--stand-ins', 'rows of our own words instead: checks the pipeline, no benchmark score')
    .option('--profile <NAME>', 'official | qpruningkv | kvcache-factory | kvpress', 'official')
    .option('--datasets <NAME,...>', 'hotpotqa, hotpotqa_e, … (default: all of the profile)', words)
    .option('--rows <N>', 'first rows per dataset (default: all; 2 with --stand-ins)', wholeNumber(1))
    .option('--agnostic', 'compress the context alone; the question follows')
    .option('--seed <N>', 'of --stand-ins', wholeNumber(0))
    .option('--max-prompt-tokens <N>', 'cut the middle of longer prompts', wholeNumber(2))
    .option('--new-tokens <N>', "tokens to generate (default: the dataset's)", wholeNumber(1))
    .option('--predictions <DIR>', "write predictions for an original's own scorer, too")
    .addOption(
      new Option(
        '--layout <NAME>',
        'of --predictions: pred/MODEL/DATASET.jsonl or MODEL_0/DATASET/METHOD.json',
      )
        .choices(['official', 'qpruningkv'])
        .default('official'),
    )
  addBenchOptions(addCompressionOptions(addModelOptions(command))).action(async (flags: LongBenchFlags) => {
    const specs = await readRows(flags)
    await using model = await openModel(flags, io)
    const tools = { model, modelName: flags.model, strict: flags.strict === true }
    const bench = await prepareLongBench(optionsOf(flags), tools)
    const records = await runBench(bench, specs, model, flags, io)
    if (flags.predictions === undefined) return
    const files = (await bench.writePredictions?.(flags.predictions, flags.layout, records, specs)) ?? []
    io.stderr.write(`predictions: ${files.length} files below ${flags.predictions}\n`)
  })
}

const optionsOf = (flags: LongBenchFlags) =>
  given({
    data: flags.data,
    config: flags.config,
    assets: flags.assets,
    standIns: flags.standIns,
    profile: flags.profile,
    protocol: flags.agnostic === true ? 'query-agnostic' : 'query-aware',
    datasets: flags.datasets,
    rows: flags.rows,
    seed: flags.seed,
    maxPromptTokens: flags.maxPromptTokens,
    newTokens: flags.newTokens,
  })
