// pnpm fuzz NAME --minutes N [--seed S]: reads mutated inputs for N minutes of processor time. A crash, a hang of more than 5 s, an exhausted heap
// or an error that is no KvError is a finding; its input is kept, and the exit code is 1. `pnpm fuzz all` shares the time out.
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { inputsOf } from './fuzz/inputs.ts'
import { runChild } from './fuzz/run-child.ts'

const MAX_FINDINGS = 10
const corpora = fileURLToPath(new URL('fuzz/corpus', import.meta.url))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string', default: '1' } },
})
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

interface Outcome {
  readonly iterations: number
  /** By where they arise, so that one mistake is one finding. */
  readonly findings: Map<string, string>
}

const found = mkdtempSync(join(tmpdir(), 'qpkv-findings-'))
for (const name of wanted) {
  const { iterations, findings } = await fuzz(name, (minutes * 60_000) / wanted.length)
  console.log(`${name}: ${iterations} inputs, ${findings.size} finding${findings.size === 1 ? '' : 's'}`)
  for (const text of findings.values()) console.log(text)
  if (findings.size > 0) process.exitCode = 1
}

async function fuzz(name: string, milliseconds: number): Promise<Outcome> {
  const findings = new Map<string, string>()
  const corpus = join(corpora, name)
  const onFinding = (iteration: number, error: string) => {
    keep(findings, name, iteration, error, inputsOf(corpus, seed).at(iteration))
    return findings.size < MAX_FINDINGS
  }
  let iterations = 0
  for (let left = milliseconds; left > 0 && findings.size < MAX_FINDINGS;) {
    const end = await runChild(
      { target: name, corpus, seed, from: iterations, milliseconds: left },
      onFinding,
    )
    iterations = end.next
    left -= end.milliseconds
  }
  return { iterations, findings }
}

function keep(
  findings: Map<string, string>,
  name: string,
  iteration: number,
  error: string,
  bytes: Uint8Array,
) {
  const lines = error.split('\n')
  const place = lines.find((line) => /^\s+at /.test(line)) ?? lines[0] ?? ''
  if (findings.has(place)) return
  const file = join(found, `${name}-${iteration}`)
  writeFileSync(file, bytes)
  findings.set(place, `  iteration ${iteration}, input ${file}\n    ${lines.slice(0, 6).join('\n    ')}`)
}
