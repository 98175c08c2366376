import { checkFileGoldens, type GoldenAssets } from './check-file-goldens.ts'
import { checkMetricGoldens } from './check-metric-goldens.ts'
import type { GoldenResult } from './golden-result.ts'

/**
 * Compare this package with recorded outputs of the original programs: `metrics/ruler_single.jsonl`,
 * `metrics/ruler_batch.jsonl` and `ruler/<length>/<task>.jsonl` of the folder.
 *
 * @param golden official assets and tokenizer; without them the files are reported as not checked
 */
export async function checkGoldens(directory: string, golden?: GoldenAssets): Promise<GoldenResult[]> {
  return [...(await checkMetricGoldens(directory)), ...(await checkFileGoldens(directory, golden))]
}
