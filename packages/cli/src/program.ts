import type { Benchmark } from '@qpkv/bench-kit'
import { Command } from 'commander'
import { addCache } from './commands/cache.ts'
import { addCalibrate } from './commands/calibrate.ts'
import { addChat } from './commands/chat.ts'
import { addBench } from './commands/bench.ts'
import { addDemo } from './commands/demo.ts'
import { addDoctor } from './commands/doctor.ts'
import { addExport } from './commands/export.ts'
import { addGenerate } from './commands/generate.ts'
import { addJob } from './commands/job.ts'
import { addMerge } from './commands/merge.ts'
import { addMemory } from './commands/memory.ts'
import { addMethods } from './commands/methods.ts'
import { addCompare } from './commands/compare.ts'
import { addHeadTable } from './commands/head-table.ts'
import { addHeatMap } from './commands/heatmap.ts'
import { addPlan } from './commands/plan.ts'
import { addPull } from './commands/pull.ts'
import { addReport } from './commands/report.ts'
import { addRun } from './commands/run.ts'
import { addScore } from './commands/score.ts'
import { addServe } from './commands/serve.ts'
import { addSweep } from './commands/sweep.ts'
import { addWorker } from './commands/worker.ts'
import { addVerify } from './commands/verify.ts'
import { addTuneBits } from './commands/tune-bits.ts'
import type { Io } from './io.ts'
import { ownVersion } from './package-versions.ts'

/** The command line as a commander program; writes through `io` and never ends the process. */
export function makeProgram(io: Io, benchmarks: readonly Benchmark[]): Command {
  const program = new Command('qpkv')
    .description('Llama-type language models with a compressed KV cache: more tokens, lower precision.')
    .version(ownVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
    })
    .showHelpAfterError('(see qpkv --help)')
  addGenerate(program, io)
  addChat(program, io)
  addServe(program, io)
  addBench(program, io, benchmarks)
  addDemo(program, io)
  addCalibrate(program, io)
  addHeadTable(program, io)
  addMethods(program, io)
  addDoctor(program, io)
  addVerify(program, io)
  addSweep(program, io, benchmarks)
  addJob(program, io, benchmarks)
  addMerge(program, io)
  addWorker(program, io, benchmarks)
  addReport(program, io)
  addCompare(program, io)
  addRun(program, io, benchmarks)
  addHeatMap(program, io)
  addScore(program, io)
  addPull(program, io)
  addCache(program, io)
  addMemory(program, io)
  addExport(program, io)
  addPlan(program, io)
  addTuneBits(program, io)
  return program
}
