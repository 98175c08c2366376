export { runCli } from './run-cli.ts'
export { makeProgram } from './program.ts'
export type { Io, Output } from './io.ts'
export type { ExitCode } from './output/failure.ts'
