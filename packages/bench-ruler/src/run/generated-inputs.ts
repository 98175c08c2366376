import type { RulerAssets } from '../assets/ruler-assets.ts'
import { generateTask } from '../tasks/generate-task.ts'
import type { RulerScripts, TokenCounter } from '../tasks/generator-context.ts'
import type { RulerTask } from '../tasks/task-definitions.ts'
import type { RulerInput } from './ruler-input.ts'

export interface GeneratedOptions {
  readonly tasks: readonly RulerTask[]
  /** tokens of prompt and answer together */
  readonly lengths: readonly number[]
  /** per task and length */
  readonly samples: number
  readonly seed: number
  readonly scripts: RulerScripts
  readonly assets: RulerAssets
  readonly tokenizer: TokenCounter
  /** tokens of the chat template to keep free; `current` only */
  readonly templateTokens?: number
  readonly newTokens?: number
}

/** Samples of all tasks at all lengths, made by the generator. */
export function generatedInputs(options: GeneratedOptions): RulerInput[] {
  const { tasks, lengths, samples, seed, scripts, assets, tokenizer, templateTokens, newTokens } = options
  return lengths.flatMap((length) =>
    tasks.flatMap((task) => {
      const rows = generateTask(task, {
        scripts,
        length,
        samples,
        seed,
        assets,
        tokenizer,
        ...(templateTokens === undefined || scripts === '2024-04' ? {} : { templateTokens }),
        ...(newTokens === undefined ? {} : { newTokens }),
      })
      return Array.from(rows, (row, index): RulerInput => ({
        length,
        sample: {
          task,
          row: index,
          input: row.input,
          answerPrefix: 'answer_prefix' in row ? row.answer_prefix : '',
          outputs: row.outputs,
          length: row.length,
          place: `${assets.name} assets, ${task}, length ${length}, seed ${seed}, sample ${index}`,
        },
      }))
    }),
  )
}
