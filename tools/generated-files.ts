// Files that scripts write into the checkout: written where they differ, or only compared with `--check`.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { root } from './workspace.ts'

export const checkOnly = process.argv.includes('--check')

/** `blockPool`, `block-pool` and `TokenShare` as words. */
const words = (name: string) =>
  name
    .replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    .split('-')
    .filter((word) => word !== '')

export const capital = (name: string) =>
  words(name)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')
export const camel = (name: string) => capital(name).replace(/^./, (letter) => letter.toLowerCase())
export const snake = (name: string) => words(name).join('_')

/** Writes a file formatted as the checks want it; with `--check` adds a line to `problems` where it differs. */
export async function put(path: string, draft: string, problems: string[]): Promise<void> {
  const file = join(root, path)
  const text = await formatted(path, draft)
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return
  if (checkOnly) return void problems.push(`${path} is not up to date; run "pnpm generate"`)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

async function formatted(path: string, draft: string): Promise<string> {
  if (path.endsWith('.ts'))
    return format(draft, { ...(await resolveConfig(join(root, path))), filepath: path })
  // Not through pnpm, which may install first and say so on stdout.
  const result = spawnSync(
    join(root, 'node_modules/.bin/clang-format'),
    ['--style=file', `--assume-filename=${join(root, path)}`],
    { cwd: root, input: draft, encoding: 'utf8' },
  )
  if (result.status !== 0) throw new Error(`clang-format: ${result.error?.message ?? result.stderr}`)
  return result.stdout
}
