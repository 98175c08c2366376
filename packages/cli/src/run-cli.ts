import type { Io } from './io.ts'
import { reportFailure, type ExitCode } from './output/failure.ts'
import { makeProgram } from './program.ts'

/** Runs one command line (without `node qpkv`) and says how it ended. */
export async function runCli(args: readonly string[], io: Io): Promise<ExitCode> {
  try {
    await makeProgram(io).parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    return reportFailure(error, io.stderr)
  }
}
