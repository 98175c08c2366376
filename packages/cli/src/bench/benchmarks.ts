import type { Benchmark } from '@qpkv/bench-kit'
import { longBench, longBenchV2 } from '@qpkv/bench-longbench'
import { needle } from '@qpkv/bench-needle'
import { ruler } from '@qpkv/bench-ruler'
import { KvError } from '@qpkv/spec'

/** The benchmarks that come with the command. */
export const ownBenchmarks: readonly Benchmark[] = [needle, ruler, longBench, longBenchV2]

/** @throws KvError KV_INVALID_OPTION for a name that none has */
export function findBenchmark(benchmarks: readonly Benchmark[], name: string): Benchmark {
  const found = benchmarks.find((one) => one.name === name)
  if (found) return found
  throw new KvError('KV_INVALID_OPTION', `There is no benchmark named "${name}".`, {
    hint: `Known: ${benchmarks.map((one) => one.name).join(', ')}. Others come with --use PACKAGE.`,
  })
}
