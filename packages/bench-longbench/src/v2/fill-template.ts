import { fillSlots, pythonStrip, type FilledPrompt } from '@qpkv/bench-kit'
import type { LongBenchV2Row } from './row.ts'

/** Longest prompt, answer lengths and temperature of the official run; `reasoning` is its chain-of-thought setting. */
export const v2Run = {
  maxPromptTokens: 120_000,
  maxNewTokens: 128,
  maxReasoningTokens: 1024,
  temperature: 0.1,
} as const

/**
 * Fills `$DOC$ $Q$ $C_A$ .. $C_D$` (and `$COT$`) of an official prompt file, values stripped, in one pass: a document that
 * holds such a slot keeps it, where the original's chain of replacements would fill it.
 */
export function fillV2Template(template: string, row: LongBenchV2Row, reasoning = ''): FilledPrompt {
  const { A, B, C, D } = row.choices
  const values: Readonly<Record<string, string>> = {
    DOC: row.context,
    Q: row.question,
    C_A: A,
    C_B: B,
    C_C: C,
    C_D: D,
  }
  return fillSlots(template, /\$(DOC|Q|C_[ABCD]|COT)\$/g, 'DOC', (name) =>
    name === 'COT' ? reasoning : pythonStrip(values[name] ?? ''),
  )
}
