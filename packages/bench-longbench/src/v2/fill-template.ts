import { pythonStrip } from '@qpkv/bench-kit'
import type { FilledPrompt } from '../prompt/fill-template.ts'
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
  const values: Record<string, string> = {
    Q: pythonStrip(row.question),
    C_A: pythonStrip(row.choices.A),
    C_B: pythonStrip(row.choices.B),
    C_C: pythonStrip(row.choices.C),
    C_D: pythonStrip(row.choices.D),
    COT: reasoning,
  }
  let contextStart = 0
  let contextEnd = 0
  let text = ''
  let from = 0
  for (const slot of template.matchAll(/\$(DOC|Q|C_[ABCD]|COT)\$/g)) {
    text += template.slice(from, slot.index)
    from = slot.index + slot[0].length
    if (slot[1] === 'DOC') {
      contextStart = text.length
      text += pythonStrip(row.context)
      contextEnd = text.length
    } else text += values[slot[1] ?? ''] ?? ''
  }
  return { text: text + template.slice(from), contextStart, contextEnd }
}
