import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { addBenchLongBench } from './bench-longbench.ts'
import { addBenchLongBenchV2 } from './bench-longbench-v2.ts'
import { addBenchNeedle } from './bench-needle.ts'
import { addBenchRuler } from './bench-ruler.ts'

/** `qpkv bench …`: measurements, one subcommand per benchmark. */
export function addBench(program: Command, io: Io): void {
  const bench = program.command('bench').description('measure what a spec keeps and costs')
  addBenchNeedle(bench, io)
  addBenchRuler(bench, io)
  addBenchLongBench(bench, io)
  addBenchLongBenchV2(bench, io)
}
