import { contentHash } from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import type { KeepOptions, ResolvedPlanOptions } from '../plan-options.ts'
import { MeasuredFile } from './measured-file.ts'

/** The file of what is measured, for all that changes it beside spec and prompt. @throws what `MeasuredFile.open` throws */
export async function openMeasured(
  model: Model,
  { measure, context, questions, judged, seed, text }: ResolvedPlanOptions,
  { file, versions, replace }: KeepOptions,
): Promise<MeasuredFile> {
  const { fingerprint } = await model.identify()
  const { precision, table, weights } = model
  return MeasuredFile.open({
    path: file,
    replace,
    identity: {
      ...versions,
      fingerprint,
      weights: weights.mode,
      precision,
      table,
      measure,
      context,
      questions,
      judged,
      seed,
      text: text === undefined ? 'of the bundled world' : contentHash(text),
    },
  })
}
