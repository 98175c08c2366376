import { defineBenchmark, type BenchRun, type BenchTools, type Benchmark } from '@qpkv/bench-kit'
import { isPlainObject, KvError, type JsonObject } from '@qpkv/spec'
import { prepareGrid, type GridState } from './grid/grid-needle.ts'
import { promptForms } from './grid/prompt-forms.ts'
import {
  needleOptions,
  foreignOptions,
  WORLD_FORM,
  type NeedleOptions,
  type NeedleValues,
} from './options.ts'
import { prepareWorld, type WorldState } from './world/world-needle.ts'

/** How one kind of needle asks, scores and shows its samples. */
export type NeedleState = WorldState | GridState
export type NeedleRun = BenchRun<NeedleOptions, NeedleState>

/** Hides numbers in texts of the bundled world, or a sentence in a haystack of essays, and asks for them. */
export const needle: Benchmark = defineBenchmark({
  name: 'needle',
  about: 'hide numbers in texts of the bundled world, or a sentence in a haystack, and ask for them',
  options: needleOptions,
  async prepare(values, tools) {
    const form = values.form ?? usualForm(values, tools)
    const kind = form === WORLD_FORM ? 'world' : 'grid'
    const [foreign] = foreignOptions(kind, values)
    if (foreign !== undefined)
      throw new KvError('KV_INVALID_OPTION', `needle has no option "${foreign}" with the form ${form}.`, {
        hint:
          kind === 'world'
            ? 'Add --form plain, or leave it out.'
            : `Leave it out, or choose --form ${WORLD_FORM}.`,
      })
    return form === WORLD_FORM ? prepareWorld(values, tools) : prepareGrid({ ...values, form }, tools)
  },
  ask: (sample, { state }: NeedleRun) => state.ask(sample),
  score: (reply, question, _sample, { state }) => state.score(reply, question),
  table: (records, specs, { state }) => state.table(records, specs),
  predictions: {
    layouts: ['official'],
    write: (to, records, specs, { state, modelName }) => state.write?.(to.folder, records, specs, modelName),
  },
  upgrade: upgradeTask,
})

/** Options of the grid, or its files, mean the grid. */
function usualForm({ from, to, step, essays, needles }: NeedleValues, { modelName }: BenchTools) {
  const grid = [from, to, step, essays, needles].some((option) => option !== undefined)
  if (!grid) return WORLD_FORM
  return modelName === 'reference' ? 'plain' : 'story-book'
}

/** Headers of schema 1: one task per protocol under `parts`, or a grid whose prompt form stands there as text. */
function upgradeTask(task: JsonObject): JsonObject[] {
  const { parts } = task
  if (Array.isArray(parts))
    return parts.map((part) => ({ ...(isPlainObject(part) ? (part as JsonObject) : {}) }))
  const { form: text, haystack, maxTokens, sentenceEnds, notice: _, ...same } = task
  const form = Object.values(promptForms).find((one) => one.text === text)?.name
  if (form === undefined)
    throw new KvError('KV_UNSUPPORTED', 'The prompt form of this file has no name here.', {
      hint: `Known: ${Object.keys(promptForms).join(', ')}. Another version of qpkv made this file; repeat it with that one.`,
    })
  const seed = typeof haystack === 'string' ? /^world (\d+)$/.exec(haystack)?.[1] : undefined
  return [
    {
      ...same,
      form,
      newTokens: maxTokens ?? null,
      sentenceEnds: sentenceEnds ?? null,
      seed: seed === undefined ? null : Number(seed),
    },
  ]
}
