import { planCompression, planningPicture, planningText } from '@qpkv/planner'
import { omitUndefined, recipeProtocols, type RecipeProtocol } from '@qpkv/spec'
import { Option, type Command } from 'commander'
import type { Io } from '../io.ts'
import { onlyOnce } from '../options/only-once.ts'
import { addEngineOptions, addModelArgument, openModel, type EngineFlags } from '../options/model.ts'
import { numberFrom, wholeNumber } from '../options/numbers.ts'
import { readGiven } from '../options/read-given.ts'
import { readSpecs } from '../options/read-specs.ts'
import { packageVersions } from '../package-versions.ts'
import { modelName } from '../output/bench-versions.ts'
import { jsonText, put } from '../output/put.ts'
import { StatusLine } from '../output/status-line.ts'
import { refuseExisting, writeRecipe } from '../output/write-recipe.ts'
import { readRegistry } from '../registry.ts'

interface PlanFlags extends EngineFlags {
  readonly budget: string
  readonly context: number
  readonly protocol: RecipeProtocol | 'both'
  readonly text?: string
  readonly specs?: string
  readonly measure?: number
  readonly questions?: number
  readonly judged?: number
  readonly seed?: number
  readonly minutes?: number
  readonly out: string
  readonly picture?: string
  readonly json?: string
  readonly measured?: string
  readonly replace?: boolean
}

/** `qpkv plan MODEL`: the compression that keeps most within a number of bytes, measured on the model itself. */
export function addPlan(program: Command, io: Io): void {
  const command = addModelArgument(program.command('plan'))
    .description('find the compression that keeps most within a number of bytes, measured on your model')
    .requiredOption('--budget <SIZE>', 'real bytes of the cache, such as 256MiB', onlyOnce)
    .requiredOption('--context <N>', 'tokens of the longest prompt', wholeNumber(64))
    .addOption(
      new Option(
        '--protocol <NAME>',
        'query-agnostic: texts are asked later; query-aware: prompts end with their question',
      )
        .choices([...recipeProtocols, 'both'])
        .default('query-agnostic'),
    )
    .option(
      '--text <FILE>',
      'a text like those that will be compressed (default: sentences of the bundled world)',
    )
    .option(
      '--specs <FILE>',
      'candidates of your own, one text form a line, instead of all that is installed',
    )
    .option(
      '--measure <N>',
      'tokens of the prompts that are measured (default: --context, at most 2048)',
      wholeNumber(64),
    )
    .option('--questions <N>', 'numbers hidden in each of them and asked for (default: 8)', wholeNumber(1))
    .option('--judged <N>', 'prompts that the last specs are judged on (default: 6)', wholeNumber(2))
    .option('--seed <N>', 'same seed, same plan (default: 1)', wholeNumber(0))
    .option(
      '--minutes <N>',
      'how long it takes: two thirds to search, the rest to judge what was found (default: 10)',
      numberFrom(0.01, 100_000),
    )
    .option('--out <FILE>', 'the recipe, for --recipe', 'recipe.json')
    .option('--picture <FILE>', 'quality over bytes, as SVG')
    .option('--json <FILE>', 'all that was judged, as JSON')
    .option('--measured <FILE>', 'what is measured, to go on from (default: beside the recipe)')
    .option('--replace', 'write over files that are there')
  addEngineOptions(command).action(async (name: string, flags: PlanFlags) => {
    await plan(name, flags, io)
  })
}

async function plan(name: string, flags: PlanFlags, io: Io): Promise<void> {
  const { budget, context, protocol, out, picture, json, seed, minutes, measure, questions, judged } = flags
  const kept = flags.measured ?? `${out.replace(/\.json$/, '')}.measured.jsonl`
  refuseExisting([out, picture, json], flags.replace)
  const text = flags.text === undefined ? undefined : await readGiven(flags.text, '--text')
  const candidates = flags.specs === undefined ? undefined : await readSpecs(flags.specs)
  await using model = await openModel({ ...flags, model: name }, io)
  const status = new StatusLine(io.stderr)
  const started = performance.now()
  const planning = await planCompression(model, {
    budget,
    context,
    protocols: protocol === 'both' ? recipeProtocols : [protocol],
    registry: await readRegistry(flags.use),
    signal: io.signal,
    onProgress: ({ stage, specs }) => {
      const seconds = Math.round((performance.now() - started) / 1000)
      status.show(`${seconds} s: ${stage}, ${specs} specs together`)
    },
    keep: {
      file: kept,
      versions: { ...packageVersions(), ...(flags.use && { use: flags.use.join(' ') }) },
      replace: flags.replace === true,
    },
    ...omitUndefined({ text, candidates, seed, minutes, measure, questions, judged }),
  }).finally(() => {
    status.clear()
  })
  io.stdout.write(planningText(planning))
  await writeRecipe(out, planning.recipe, modelName(model, name), io)
  if (picture !== undefined) await put(picture, planningPicture(planning))
  if (json !== undefined) await put(json, jsonText(planning))
  const { cutShort, judgedOn } = planning
  if (cutShort || judgedOn.prompts < judgedOn.wanted)
    io.stderr.write(`The time was up: the same command with --replace goes on from ${kept}\n`)
}
