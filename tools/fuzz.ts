// pnpm fuzz NAME|all --minutes N [--seed S] [--targets FILE --corpora FOLDER]: reads mutated inputs for N minutes
// of processor time. A crash, a hang of more than 5 s, an exhausted heap or an error that is no KvError is a
// finding; its input is kept, and the exit code is 1. `all` shares the time out. FILE is a module with other
// targets; FOLDER has a folder of seed inputs for each.
import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { fuzz } from './fuzz/fuzz.ts'

const own = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    targets: { type: 'string', default: own('fuzz/targets.ts') },
    corpora: { type: 'string', default: own('fuzz/corpus') },
  },
})
const { corpora } = values
const names = readdirSync(corpora).sort()
const minutes = Number(values.minutes)
const seed = Number(values.seed)
const wanted = positionals[0] === 'all' ? names : positionals
if (
  wanted.length === 0 ||
  !wanted.every((name) => names.includes(name)) ||
  !(minutes > 0) ||
  !Number.isInteger(seed)
) {
  console.error(`Type: pnpm fuzz ${names.join('|')}|all --minutes N [--seed S]`)
  process.exit(2)
}

const found = mkdtempSync(join(tmpdir(), 'qpkv-findings-'))
for (const target of wanted) {
  const { iterations, findings } = await fuzz({
    target,
    targets: pathToFileURL(resolve(values.targets)).href,
    corpus: join(corpora, target),
    seed,
    milliseconds: (minutes * 60_000) / wanted.length,
    found,
  })
  console.log(`${target}: ${iterations} inputs, ${findings.size} finding${findings.size === 1 ? '' : 's'}`)
  for (const text of findings.values()) console.log(text)
  if (findings.size > 0) process.exitCode = 1
}
