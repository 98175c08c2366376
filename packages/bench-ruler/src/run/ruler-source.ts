import { tokenizerOf, type BenchTools } from '@qpkv/bench-kit'
import { atPlace, KvError, omitUndefined } from '@qpkv/spec'
import { loadAssets } from '../assets/load-assets.ts'
import { loadOwnAssets } from '../own-assets.ts'
import { RUN_PROFILES } from '../run-profile.ts'
import type { RulerTask } from '../tasks/task-definitions.ts'
import { generatedInputs } from './generated-inputs.ts'
import { readInputs } from './read-inputs.ts'
import type { RulerInput } from './ruler-input.ts'
import type { RulerValues } from './ruler-options.ts'

/** Samples, and the name of the assets that they were made of, if they were made. */
export interface Source {
  readonly inputs: readonly RulerInput[]
  readonly assets?: string
}

/** Samples of the official files. */
export async function readData(
  values: RulerValues,
  folder: string,
  tasks: readonly RulerTask[],
  { onBadRow }: BenchTools,
): Promise<Source> {
  const { lengths, samples } = values
  const inputs = await readInputs(folder, {
    tasks,
    samples,
    onBadRow,
    ...omitUndefined({ lengths }),
  })
  for (const task of values.tasks === undefined ? [] : tasks) {
    if (inputs.some(({ sample }) => sample.task === task)) continue
    onBadRow(
      new KvError('KV_DATA', `${folder} has no sample of ${task}.`, {
        hint: 'Check --tasks, or add its file.',
      }),
    )
  }
  return { inputs }
}

/** Samples made by the generator. */
export async function generate(
  values: RulerValues,
  tasks: readonly RulerTask[],
  { model, onBadRow }: BenchTools,
): Promise<Source> {
  const { samples, seed, newTokens, lengths = [4096] } = values
  const assets = values.assets === undefined ? await loadOwnAssets() : await loadAssets(values.assets)
  const { scripts, chatTemplate } = RUN_PROFILES[values.profile]
  const countTokens = (text: string) => tokenizerOf(model).encode(text, { special: false }).length
  const chat = (values.chatTemplate ?? chatTemplate === 'model') && scripts === 'current'
  const empty = chat ? ((await model.chatTemplate?.render([{ role: 'user', content: '' }])) ?? '') : undefined
  const shared = {
    samples,
    seed,
    scripts,
    assets,
    tokenizer: { countTokens },
    ...omitUndefined({ templateTokens: empty === undefined ? undefined : countTokens(empty), newTokens }),
  }
  const inputs: RulerInput[] = []
  for (const length of lengths) {
    for (const task of tasks) {
      try {
        inputs.push(...generatedInputs({ ...shared, tasks: [task], lengths: [length] }))
      } catch (error) {
        if (!KvError.isInstance(error)) throw error
        onBadRow(atPlace(error, `${task} at length ${length}`) as KvError)
      }
    }
  }
  if (inputs.length > 0) return { inputs, assets: assets.name }
  throw new KvError('KV_DATA', 'No sample of these tasks could be made at these lengths.', {
    hint: 'Ask for a greater --length; most tasks need 1024 tokens or more.',
  })
}
