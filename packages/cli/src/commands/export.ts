import { exportModel } from '@qpkv/core'
import { formatBytes } from '@qpkv/spec'
import type { Command } from 'commander'
import type { Io } from '../io.ts'

/** `qpkv export FILE.gguf --out FOLDER`: a GGUF model as the folder that Hugging Face's libraries read. */
export function addExport(program: Command, io: Io): void {
  program
    .command('export')
    .description(
      "write a .gguf model as a Hugging Face folder: the file's values, codes multiplied out into float32",
    )
    .argument('<file>', 'the .gguf file, or any part of a split one')
    .requiredOption('--out <FOLDER>', 'a folder that is empty or not there yet')
    .action(async (file: string, { out }: { out: string }) => {
      const { files, weightBytes } = await exportModel(file, out)
      io.stdout.write(`${files.join('\n')}\n${formatBytes(weightBytes)} of weights\n`)
    })
}
