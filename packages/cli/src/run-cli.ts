import type { Io } from './io.ts'
import { reportFailure, type ExitCode } from './output/failure.ts'
import { makeProgram } from './program.ts'
import { readBenchmarks, usedPackages } from './registry.ts'

/** Runs one command line (without `node qpkv`) and says how it ended. */
export async function runCli(args: readonly string[], io: Io): Promise<ExitCode> {
  try {
    const benchmarks = await readBenchmarks(usedPackages(args))
    await makeProgram(io, benchmarks).parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    return reportFailure(error, io.stderr)
  }
}
