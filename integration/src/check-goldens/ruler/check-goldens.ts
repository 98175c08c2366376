import { type GoldenResult } from '../golden-result.ts'
import { KvError } from '@qpkv/spec'
import { checkFileGoldens, type GoldenAssets } from './check-file-goldens.ts'
import { checkMetricGoldens } from './check-metric-goldens.ts'
import { loadGoldenAssets } from './load-golden-assets.ts'

/**
 * Compare this package with recorded outputs of the original programs: `metrics/ruler_single.jsonl`,
 * `metrics/ruler_batch.jsonl` and `ruler/<length>/<task>.jsonl` of the folder.
 *
 * @param assets official assets and tokenizer, or the folder with them (see `loadGoldenAssets`); without them the
 *   files are reported as not checked
 */
export async function checkGoldens(
  directory: string,
  assets?: string | GoldenAssets,
): Promise<GoldenResult[]> {
  const metrics = await checkMetricGoldens(directory)
  if (typeof assets !== 'string') return [...metrics, ...(await checkFileGoldens(directory, assets))]
  try {
    return [...metrics, ...(await checkFileGoldens(directory, await loadGoldenAssets(assets)))]
  } catch (error) {
    if (!KvError.isInstance(error) || error.code !== 'KV_DATA') throw error
    const files = await checkFileGoldens(directory)
    return [...metrics, ...files.map((result) => ({ ...result, notChecked: error.message }))]
  }
}
