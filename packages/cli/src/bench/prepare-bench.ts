import { KvError, type JsonObject } from '@qpkv/spec'
import { prepareLongBench } from './prepare-longbench.ts'
import { prepareLongBenchV2 } from './prepare-longbench-v2.ts'
import { prepareNeedle } from './prepare-needle.ts'
import { prepareRuler } from './prepare-ruler.ts'
import type { BenchTools, PreparedBench, PrepareBench } from './prepared-bench.ts'

const benches: Readonly<Record<string, PrepareBench>> = {
  needle: prepareNeedle,
  ruler: prepareRuler,
  longbench: prepareLongBench,
  'longbench-v2': prepareLongBenchV2,
}

/** Reads a benchmark's options and its samples. @throws KvError KV_INVALID_OPTION, KV_DATA */
export async function prepareBench(
  bench: string,
  options: JsonObject,
  tools: BenchTools,
): Promise<PreparedBench> {
  const prepare = benches[bench]
  if (prepare) return await prepare(options, tools)
  throw new KvError('KV_INVALID_OPTION', `There is no benchmark named "${bench}".`, {
    hint: `Known: ${Object.keys(benches).join(', ')}.`,
  })
}
