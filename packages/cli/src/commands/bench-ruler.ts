import type { Command } from 'commander'
import { given } from '../bench/option-reader.ts'
import { prepareRuler } from '../bench/prepare-ruler.ts'
import { runBench } from '../bench/run-bench.ts'
import type { Io } from '../io.ts'
import { addBenchOptions, readRows, type BenchFlags } from '../options/bench.ts'
import { addCompressionOptions } from '../options/compression.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { words, wholeNumber, wholeNumbers } from '../options/numbers.ts'

interface RulerFlags extends ModelFlags, BenchFlags {
  readonly data?: string
  readonly assets?: string
  readonly profile: string
  readonly tasks?: string[]
  readonly length?: number[]
  readonly samples?: number
  readonly agnostic?: boolean
  readonly seed?: number
  readonly maxPromptTokens?: number
  readonly newTokens?: number
  readonly chatTemplate?: boolean
}

/** `qpkv bench ruler`: RULER's tasks, from data files or generated. */
export function addBenchRuler(bench: Command, io: Io): void {
  const command = bench
    .command('ruler')
    .description('RULER: needles, chains, counts and questions at chosen lengths')
    .option(
      '--data <DIR>',
      'official files: LENGTH/TASK.jsonl, TASK/validation.jsonl or parquet; else samples are made',
    )
    .option(
      '--assets <DIR>',
      'texts and words that samples are made of (default: own stand-ins, no RULER score)',
    )
    .option('--profile <NAME>', 'official | qpruningkv | kvcache-factory | kvpress', 'official')
    .option('--tasks <NAME,...>', 'niah_single_1, vt, cwe, … (default: all of the profile)', words)
    .option(
      '--length <N,...>',
      'tokens of prompt and answer (default: 4096, or all that --data has)',
      wholeNumbers(64),
    )
    .option('--samples <N>', 'per task and length (default 500)', wholeNumber(1))
    .option('--agnostic', 'compress the context alone; the question follows')
    .option('--seed <N>', 'same seed, same samples (default 42)', wholeNumber(0))
    .option('--max-prompt-tokens <N>', 'cut the middle of longer prompts', wholeNumber(2))
    .option('--new-tokens <N>', "tokens to generate (default: the task's)", wholeNumber(1))
    .option('--no-chat-template', 'raw prompts, whatever the profile says')
  addBenchOptions(addCompressionOptions(addModelOptions(command))).action(async (flags: RulerFlags) => {
    const specs = await readRows(flags)
    await using model = await openModel(flags, io)
    const tools = { model, modelName: flags.model, strict: flags.strict === true }
    await runBench(await prepareRuler(optionsOf(flags), tools), specs, model, flags, io)
  })
}

const optionsOf = (flags: RulerFlags) =>
  given({
    data: flags.data,
    assets: flags.assets,
    profile: flags.profile,
    protocol: flags.agnostic === true ? 'query-agnostic' : 'query-aware',
    tasks: flags.tasks,
    lengths: flags.length,
    samples: flags.samples,
    seed: flags.seed,
    maxPromptTokens: flags.maxPromptTokens,
    newTokens: flags.newTokens,
    chatTemplate: flags.chatTemplate === false ? false : undefined,
  })
