import { fileURLToPath } from 'node:url'
import { loadAssets } from './assets/load-assets.ts'
import type { RulerAssets } from './assets/ruler-assets.ts'
import { splitSimply } from './punkt/simple-splitter.ts'

/** Folder of the stand-ins that come with this package; it stands beside `src` and `dist`. */
export const ownAssetsFolder = fileURLToPath(new URL('../assets/own', import.meta.url))

/**
 * Our own templates, word lists, texts and questions: for tests and offline use. Samples made with them are the same
 * kind of task in other words; results say `assets: "own"` and are no RULER scores.
 */
export async function loadOwnAssets(): Promise<RulerAssets> {
  return { ...(await loadAssets(ownAssetsFolder)), name: 'own', splitSentences: splitSimply }
}
