import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { mergeResults, resultFiles } from '../jobs/merge-results.ts'

/** `qpkv merge FILES`: one result file per run out of those of several machines. */
export function addMerge(program: Command, io: Io): void {
  program
    .command('merge')
    .description('join result files of parts into one per run; what is there already is extended')
    .argument('<FILES...>', 'result files, or folders of them')
    .requiredOption('--out <DIR>', 'where the joined files go')
    .action(async (given: string[], { out }: { readonly out: string }) => {
      const merged = await mergeResults(await resultFiles(given), out)
      for (const { path, files, records, added, different } of merged) {
        io.stdout.write(`${path}: ${records} records, ${added} new, from ${files} files\n`)
        if (different > 0)
          io.stderr.write(
            `note: ${different} records were there with other answers; those of the first file count. Parts that ran on other op tables differ like that.\n`,
          )
      }
    })
}
