import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readText } from '@qpkv/bench-kit'
import { planCompression, planningPicture, planningText } from '@qpkv/planner'
import { KvError, recipeProtocols, type Recipe, type RecipeProtocol } from '@qpkv/spec'
import { Option, type Command } from 'commander'
import type { Io } from '../io.ts'
import { onlyOnce } from '../options/only-once.ts'
import { openModel, type ModelFlags } from '../options/model.ts'
import { numberFrom, wholeNumber } from '../options/numbers.ts'
import { readSpecs } from '../options/read-specs.ts'
import { modelName } from '../output/bench-versions.ts'
import { StatusLine } from '../output/status-line.ts'
import { readRegistry } from '../registry.ts'
import { UsageError } from '../usage-error.ts'

interface PlanFlags extends Omit<ModelFlags, 'model'> {
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
  readonly replace?: boolean
}

/** `qpkv plan MODEL`: the compression that keeps most within a number of bytes, measured on the model itself. */
export function addPlan(program: Command, io: Io): void {
  program
    .command('plan')
    .description('find the compression that keeps most within a number of bytes, measured on your model')
    .argument(
      '[MODEL]',
      'reference, a Hugging Face folder, a .gguf file, or org/name[@revision]',
      'reference',
    )
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
      'no further round of the search begins after these (default: 10)',
      numberFrom(0.01, 100_000),
    )
    .option('--out <FILE>', 'the recipe, for --recipe', 'recipe.json')
    .option('--picture <FILE>', 'quality over bytes, as SVG')
    .option('--json <FILE>', 'all that was judged, as JSON')
    .option('--replace', 'write over files that are there')
    .option('--threads <N>', 'threads (default: all)', wholeNumber(1))
    .option('--table <NAME>', 'op table, such as avx2 (default: the fastest here)')
    .option('--precision <mode>', 'bf16, bf16-fast or f32')
    .option('--weights <mode>', 'auto (as the file has them), stored, int8 or int4')
    .option('--use <PACKAGE...>', 'import methods from installed packages')
    .action(async (name: string, flags: PlanFlags) => {
      await plan(name, flags, io)
    })
}

async function plan(name: string, flags: PlanFlags, io: Io): Promise<void> {
  const { budget, context, protocol, out, picture, json, seed, minutes, measure, questions, judged } = flags
  for (const file of [out, picture, json])
    if (file !== undefined && existsSync(file) && flags.replace !== true)
      throw new UsageError(`${file} is there already.`, 'Choose another name, or add --replace.')
  const text = flags.text === undefined ? undefined : await readGiven(flags.text)
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
    ...(text !== undefined && { text }),
    ...(candidates && { candidates }),
    ...given({ seed, minutes, measure, questions, judged }),
  }).finally(() => {
    status.clear()
  })
  io.stdout.write(planningText(planning))
  const recipe: Recipe = {
    ...planning.recipe,
    model: { ...planning.recipe.model, name: modelName(model, name) },
  }
  await write(out, `${JSON.stringify(recipe, undefined, 2)}\n`)
  if (picture !== undefined) await write(picture, planningPicture(planning))
  if (json !== undefined) await write(json, `${JSON.stringify(planning, undefined, 2)}\n`)
  io.stderr.write(`recipe: ${out}; use it with --recipe ${out}\n`)
}

const readGiven = (path: string) =>
  readText(path).catch((cause: unknown) => {
    if (KvError.isInstance(cause)) throw cause
    throw new UsageError(`There is no file ${path}.`, 'Check the path after --text.')
  })

type Given = Readonly<Record<string, number | undefined>>
const given = <T extends Given>(values: T) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: number
  }

async function write(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
}
