import type { Benchmark } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'

/** @throws KvError KV_INVALID_OPTION for a name that none has */
export function findBenchmark(benchmarks: readonly Benchmark[], name: string): Benchmark {
  const found = benchmarks.find((one) => one.name === name)
  if (found) return found
  throw new KvError('KV_INVALID_OPTION', `There is no benchmark named "${name}".`, {
    hint: `Known: ${benchmarks.map((one) => one.name).join(', ')}. Others come with --use PACKAGE.`,
  })
}
