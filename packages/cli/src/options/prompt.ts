import { Option, type Command } from 'commander'
import type { PrefillOptions } from '@qpkv/core'

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
