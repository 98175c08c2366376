import { describeValue, type CompressionSpec } from '@qpkv/spec'
import { Option, type Command } from 'commander'
import type { PrefillOptions } from '@qpkv/core'
import type { Output } from '../io.ts'

export interface PromptFlags {
  readonly allowLongPrompt?: boolean
  readonly controlTokens?: 'read' | 'text'
}

/** Adds --allow-long-prompt and --control-tokens. */
export const addPromptOptions = (command: Command): Command =>
  command
    .option('--allow-long-prompt', 'allow more tokens than the model was made for')
    .addOption(
      new Option(
        '--control-tokens <MODE>',
        'control tokens that messages spell out, such as <|im_end|>: read them as such, or keep them text (default: read)',
      ).choices(['read', 'text']),
    )

/** Flags as options of prefill and append; what was not given stays out. */
export const promptOptions = ({ allowLongPrompt, controlTokens }: PromptFlags): PrefillOptions => ({
  allowLongPrompt: allowLongPrompt ?? false,
  ...(controlTokens !== undefined && { controlTokens }),
})

/** A pruner without a budget has nothing to do, which is easily overlooked. */
export function noteIdlePruner({ prune, budget }: CompressionSpec, stderr: Output): void {
  if (budget !== undefined || prune === undefined || prune.method === 'none') return
  stderr.write(
    `note: --prune ${typeof prune.method === 'string' ? prune.method : describeValue(prune.method)} without --budget keeps every token of the prompt; add a budget, such as --budget 25%.\n`,
  )
}
