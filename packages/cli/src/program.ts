import { Command } from 'commander'
import { addCalibrate } from './commands/calibrate.ts'
import { addChat } from './commands/chat.ts'
import { addBench } from './commands/bench.ts'
import { addDemo } from './commands/demo.ts'
import { addDoctor } from './commands/doctor.ts'
import { addGenerate } from './commands/generate.ts'
import { addMethods } from './commands/methods.ts'
import type { Io } from './io.ts'
import { ownVersion } from './package-versions.ts'

/** The command line as a commander program; writes through `io` and never ends the process. */
export function makeProgram(io: Io): Command {
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
  addBench(program, io)
  addDemo(program, io)
  addCalibrate(program, io)
  addMethods(program, io)
  addDoctor(program, io)
  return program
}
