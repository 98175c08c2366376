import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { formatBytes } from '@qpkv/spec'
import { Argument, type Command } from 'commander'
import type { Io } from '../io.ts'
import { StatusLine } from '../output/status-line.ts'
import { fetchFile, type FetchedFile } from '../pull/fetch-file.ts'
import { officialOrigins, type PullFile, type PullSet } from '../pull/pull-file.ts'
import { pullSets } from '../pull/pull-sets.ts'

interface PullFlags {
  readonly out?: string
  readonly from?: string
}

/** `qpkv pull NAME`: benchmark data from its official places, onto this machine. */
export function addPull(program: Command, io: Io): void {
  program
    .command('pull')
    .description('fetch benchmark data from the official places; run again to go on with what was cut off')
    .addArgument(new Argument('<NAME>', 'what to fetch').choices(pullSets.map(({ name }) => name)))
    .option('--out <DIR>', 'where to put it (default: qpkv-data/NAME)')
    .option('--from <URL>', 'a mirror that has the same paths, in place of every official host')
    .action(async (name: string, flags: PullFlags) => {
      const set = pullSets.find((one) => one.name === name)
      if (set) await pull(set, flags.out ?? join('qpkv-data', name), flags.from, io)
    })
}

/** Fetches a set, checks it, and writes SHA256SUMS beside it. */
async function pull(set: PullSet, folder: string, mirror: string | undefined, io: Io): Promise<void> {
  io.stderr.write(`${set.what}\n${set.license}\n`)
  const status = new StatusLine(io.stderr)
  const fetched: (FetchedFile & { readonly name: string })[] = []
  try {
    for (const [i, file] of set.files.entries()) {
      const show = (bytes: number, total: number | undefined) => {
        const of = total === undefined ? '' : ` of ${formatBytes(total)}`
        status.show(`${i + 1}/${set.files.length} ${file.saveAs} ${formatBytes(bytes)}${of}`)
      }
      fetched.push({ name: file.saveAs, ...(await fetchOne(file, folder, mirror, show, io)) })
    }
  } finally {
    status.clear()
  }
  const made = (await set.finish?.(folder)) ?? []
  const sums = fetched.map(({ sha256, name }) => `${sha256}  ${name}\n`).join('')
  await writeFile(join(folder, 'SHA256SUMS'), sums)
  const fresh = fetched.filter(({ cached }) => !cached)
  io.stdout.write(`${resolve(folder)}: ${fetched.length} files, ${fresh.length} of them new\n`)
  for (const path of made) io.stdout.write(`made ${path}\n`)
  for (const { name, sha256, checked } of fetched)
    if (checked !== 'pinned')
      io.stdout.write(
        `${name}: ${checked === 'stated' ? 'hash as the server states' : 'nobody states a hash'}: ${sha256}\n`,
      )
}

function fetchOne(
  { origin, path, saveAs, sha256 }: PullFile,
  folder: string,
  mirror: string | undefined,
  onProgress: (bytes: number, total: number | undefined) => void,
  io: Io,
): Promise<FetchedFile> {
  const endpoint = origin === 'hub' ? process.env['HF_ENDPOINT'] : undefined
  const host = (mirror ?? endpoint ?? officialOrigins[origin]).replace(/\/$/, '')
  return fetchFile({
    url: host + path,
    path: join(folder, saveAs),
    signal: io.signal,
    onProgress,
    ...(sha256 === undefined ? {} : { sha256 }),
  })
}
