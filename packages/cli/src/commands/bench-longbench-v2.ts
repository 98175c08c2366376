import type { Command } from 'commander'
import { given } from '../bench/option-reader.ts'
import { prepareLongBenchV2 } from '../bench/prepare-longbench-v2.ts'
import { runBench } from '../bench/run-bench.ts'
import type { Io } from '../io.ts'
import { addBenchOptions, readRows, type BenchFlags } from '../options/bench.ts'
import { addCompressionOptions } from '../options/compression.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { wholeNumber } from '../options/numbers.ts'

interface V2Flags extends ModelFlags, BenchFlags {
  readonly data?: string
  readonly prompt?: string
  readonly rows?: number
  readonly agnostic?: boolean
  readonly maxPromptTokens?: number
  readonly newTokens?: number
}

/** `qpkv bench longbench-v2`: multiple-choice questions over very long texts. */
export function addBenchLongBenchV2(bench: Command, io: Io): void {
  const command = bench
    .command('longbench-v2')
    .description('LongBench v2: multiple choice over very long texts')
    .option('--data <FILE>', 'the official data.json')
    .option('--prompt <FILE>', 'an official prompt file, such as prompts/0shot.txt')
    .option('--rows <N>', 'first questions', wholeNumber(1))
    .option('--agnostic', 'compress the document alone; the question follows')
    .option('--max-prompt-tokens <N>', 'cut the middle of longer prompts (default 120000)', wholeNumber(2))
    .option('--new-tokens <N>', 'tokens to generate (default 128)', wholeNumber(1))
  addBenchOptions(addCompressionOptions(addModelOptions(command))).action(async (flags: V2Flags) => {
    const specs = await readRows(flags)
    await using model = await openModel(flags, io)
    const { data, prompt, rows, maxPromptTokens, newTokens } = flags
    const protocol = flags.agnostic === true ? 'query-agnostic' : 'query-aware'
    const options = given({ data, prompt, rows, maxPromptTokens, newTokens, protocol })
    const tools = { model, modelName: flags.model, strict: flags.strict === true }
    await runBench(await prepareLongBenchV2(options, tools), specs, model, flags, io)
  })
}
