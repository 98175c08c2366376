import { pythonJson } from '@qpkv/bench-kit'

/** One line of a file of the current scripts. */
export interface CurrentRow {
  /** number of the sample; in the niah tasks, as officially, the character offset of the first answer */
  readonly index: number
  /** prompt without the answer prefix */
  readonly input: string
  readonly outputs: readonly string[]
  /** tokens of prompt, prefix and answer */
  readonly length: number
  readonly length_w_model_temp: number
  readonly answer_prefix: string
  /** niah only: tokens before the first answer */
  readonly token_position_answer?: number
}

/** One line of a file of the 2024-04 scripts; the prompt ends with the answer prefix. */
export interface Row2024 {
  readonly index: number
  readonly input: string
  readonly outputs: readonly string[]
  readonly length: number
}

export type RulerRow = CurrentRow | Row2024

/** The row as a line of `validation.jsonl`, byte for byte as Python writes it, with its newline. */
export function rulerRowLine(row: RulerRow): string {
  return `${pythonJson(row)}\n`
}
