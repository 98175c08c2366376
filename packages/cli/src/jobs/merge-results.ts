import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readResults, resultFileName, ResultWriter, type Results } from '@qpkv/bench-kit'

/** What merging came to, per run. */
export interface Merged {
  readonly path: string
  readonly files: number
  readonly records: number
  readonly added: number
  /** Held by several files, with other answers; the first file's count. */
  readonly different: number
}

/**
 * Joins result files into one per run, in `folder`. A file that is there already is extended, never replaced; a record that several files
 * hold is taken once. @throws KvError KV_RESULT_FILE, KV_RESULT_LOCKED, KV_CONFLICT
 */
export async function mergeResults(paths: readonly string[], folder: string): Promise<readonly Merged[]> {
  const runs = new Map<string, Results[]>()
  for (const path of paths) {
    const results = await readResults(path)
    runs.set(results.header.runId, [...(runs.get(results.header.runId) ?? []), results])
  }
  return [...runs.values()].map((files) => mergeRun(files, folder))
}

function mergeRun(files: readonly Results[], folder: string): Merged {
  const { header, extent } = files[0] as Results
  const path = join(folder, resultFileName(header.identity))
  const writer = ResultWriter.open({ path, identity: header.identity, extent, versions: header.versions })
  try {
    let [added, different] = [0, 0]
    for (const one of files) {
      if (one.path === path) continue
      const taken = writer.addFrom(one)
      added += taken.added
      different += taken.different
    }
    return { path, files: files.length, records: writer.records.length, added, different }
  } finally {
    writer.close()
  }
}

/** Result files by name, those of folders included. */
export async function resultFiles(paths: readonly string[]): Promise<readonly string[]> {
  const all: string[] = []
  for (const path of paths) {
    if (!(await stat(path)).isDirectory()) all.push(path)
    else
      for (const name of (await readdir(path)).sort()) if (name.endsWith('.jsonl')) all.push(join(path, name))
  }
  return all
}
