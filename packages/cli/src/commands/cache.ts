import { clearPacked, listPacked, packedSettings, type PackedWeights } from '@qpkv/core'
import { leftTable } from '@qpkv/bench-kit'
import { formatBytes } from '@qpkv/spec'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { jsonText } from '../output/put.ts'

/** `qpkv cache list|clear`: packed weights that later loads map. */
export function addCache(program: Command, io: Io): void {
  const command = program
    .command('cache')
    .description(
      'packed weights, kept so that a model loads at once the next time (QPKV_CACHE, QPKV_CACHE_LIMIT)',
    )
  command
    .command('list')
    .description('what is there, used last first')
    .option('--json', 'as JSON')
    .action(async (flags: { json?: boolean }) => {
      const { folder, limit } = packedSettings()
      const files = folder === undefined ? [] : await listPacked(folder)
      io.stdout.write(
        flags.json === true ? jsonText({ folder, limit, files }) : listText(folder, limit, files),
      )
    })
  command
    .command('clear')
    .description('remove them all; models that are running go on')
    .action(async () => {
      const { folder } = packedSettings()
      const files = folder === undefined ? [] : await clearPacked(folder)
      io.stdout.write(`removed ${files.length} files, ${formatBytes(total(files))}\n`)
    })
}

function listText(folder: string | undefined, limit: number, files: readonly PackedWeights[]): string {
  if (folder === undefined) return 'QPKV_CACHE is off: packed weights are kept nowhere.\n'
  const rows = files.map(({ of, bytes, lastUsed, path }) => [
    of?.model ?? path,
    of?.weights ?? '?',
    of?.precision ?? '?',
    formatBytes(bytes),
    lastUsed.toISOString().slice(0, 16).replace('T', ' '),
  ])
  const head = ['model', 'weights', 'precision', 'size', 'last used (UTC)']
  const sum = `${folder}: ${formatBytes(total(files))} of at most ${formatBytes(limit)}\n`
  return rows.length === 0 ? sum : `${leftTable(head, rows)}${sum}`
}

const total = (files: readonly PackedWeights[]): number => files.reduce((sum, { bytes }) => sum + bytes, 0)
