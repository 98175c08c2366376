import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { root } from './workspace.ts'

/** Writes a generated file, formatted; with `--check` it only compares. Returns what is wrong. */
export async function putGenerated(path: string, draft: string): Promise<string[]> {
  const file = join(root, path)
  const text = await format(draft, { ...(await resolveConfig(file)), filepath: file })
  if (readFileSync(file, 'utf8') === text) return []
  if (process.argv.includes('--check')) return [`${path} is not up to date; run "pnpm generate"`]
  writeFileSync(file, text)
  return []
}
