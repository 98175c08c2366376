// Written by tools/generate-benchmarks.ts from the folders packages/bench-*.
import type { Benchmark } from '@qpkv/bench-kit'
import { longBench, longBenchV2 } from '@qpkv/bench-longbench'
import { needle } from '@qpkv/bench-needle'
import { ruler } from '@qpkv/bench-ruler'
import { qa, text } from '@qpkv/bench-text'

/** The benchmarks that come with the command. */
export const ownBenchmarks: readonly Benchmark[] = Object.freeze([
  longBench,
  longBenchV2,
  needle,
  ruler,
  qa,
  text,
])
