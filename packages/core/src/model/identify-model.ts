import type { RecipeModel } from '@qpkv/spec'
import { basename } from 'node:path'
import { isRounded, type WeightsMode } from '../weights/weights-mode.ts'
import { modelFingerprint } from './model-fingerprint.ts'

/** The model at a path by content, with the rounding of its weights where that changes answers. */
export async function identifyModel(path: string, weights: WeightsMode): Promise<RecipeModel> {
  return {
    name: basename(path),
    fingerprint: await modelFingerprint(path),
    ...(isRounded(weights) && { weights }),
  }
}
