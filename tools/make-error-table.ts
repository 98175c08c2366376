// Writes docs/errors.md from the codes in packages/spec and the tests that provoke them. `--check` only compares;
// a code without a test is a problem either way.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { errorCodes } from '../packages/spec/src/errors.ts'
import { conclude, filesUnder, root } from './workspace.ts'

/** Codes that end a command with exit code 2 (the command line is wrong) or 130 (cancelled) and not with 1. */
const exits: Readonly<Record<string, number>> = {
  KV_ABORTED: 130,
  KV_CONFLICT: 2,
  KV_INVALID_OPTION: 2,
  KV_INVALID_SPEC: 2,
  KV_UNKNOWN_METHOD: 2,
}

const tests = ['packages', 'integration']
  .flatMap((folder) => filesUnder(folder, (path) => path.endsWith('.test.ts')))
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))

// A test that makes an error itself provokes nothing.
const provokes = (text: string, code: string) =>
  new RegExp(`\\b${code}\\b`).test(text.replaceAll(new RegExp(`kvError\\(\\s*'${code}'`, 'gi'), ''))

const problems: string[] = []
const rows = Object.entries(errorCodes).map(([code, meaning]) => {
  if (!tests.some(({ text }) => provokes(text, code))) problems.push(`${code}: no test provokes it`)
  return `| \`${code}\` | ${meaning} | ${exits[code] ?? 1} |`
})
const draft = `# Error codes

Written by \`pnpm error-table\` from \`packages/spec/src/errors.ts\`. Every error that qpkv throws on purpose is a \`KvError\` with one of these codes, one
sentence that says what was expected, where and what came, and often a \`hint\` with what to type next. Codes are stable, texts are not: compare
\`error.code\`, and use \`KvError.isInstance(error)\` where several copies of the package may be installed. \`exit\` is the exit code of the command
line. Every code has a test that provokes it, which \`pnpm check\` looks for.

| code | meaning | exit |
| ---- | ------- | ---: |
${rows.join('\n')}
`
const path = join(root, 'docs', 'errors.md')
const text = await format(draft, { ...(await resolveConfig(path)), filepath: path })
if (process.argv.includes('--check')) {
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text)
    problems.push('docs/errors.md is not up to date; run "pnpm error-table"')
} else writeFileSync(path, text)
conclude('error table', problems)
