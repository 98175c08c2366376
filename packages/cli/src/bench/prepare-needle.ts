import { promptForms } from '@qpkv/bench-needle'
import { prepareNeedleGrid } from './needle-grid.ts'
import { prepareNeedleWorld } from './needle-world.ts'
import { OptionReader } from './option-reader.ts'
import type { PrepareBench } from './prepared-bench.ts'

/** The form of the bundled world. */
export const WORLD_FORM = 'reference-world'

export const NEEDLE_FORMS = [WORLD_FORM, 'plain', ...Object.keys(promptForms)] as const

/**
 * `form: reference-world` (default) hides numbers in texts of the bundled world; the
 * others run the originals' grid over a haystack.
 */
export const prepareNeedle: PrepareBench = (json, tools) => {
  const reader = new OptionReader(json, 'needle')
  const form = reader.choice('form', NEEDLE_FORMS, WORLD_FORM)
  return form === WORLD_FORM ? prepareNeedleWorld(reader, tools) : prepareNeedleGrid(reader, form, tools)
}
