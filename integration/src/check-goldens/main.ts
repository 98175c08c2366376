import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkGoldens } from './check-goldens.ts'
import { formatResult } from './report.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    assets: { type: 'string' },
    table: { type: 'string', multiple: true },
    family: { type: 'string', multiple: true },
    help: { type: 'boolean' },
  },
})
const [folder] = positionals
if (values.help || folder === undefined || !existsSync(folder) || !statSync(folder).isDirectory()) {
  console.error('Usage: pnpm check:goldens DIR [--assets DIR2] [--table NAME]... [--family NAME]...')
  console.error(
    'DIR holds any of: pruners, pruners-next, quantizers, quantizers-next, model, arch, tradeoff, metrics, ruler (see docs/goldens.md).',
  )
  process.exit(values.help ? 0 : 2)
}

const known = [
  'pruners',
  'pruners-next',
  'quantizers',
  'quantizers-next',
  'model',
  'arch',
  'tradeoff',
  'metrics',
  'ruler',
]
for (const name of readdirSync(folder))
  if (!known.includes(name) && name !== 'README.md')
    console.log(`${join(folder, name)}: not checked (unknown)`)

let failed = 0
const missing = new Set<string>()
for await (const result of checkGoldens(folder, {
  assets: values.assets,
  tables: values.table,
  families: values.family,
})) {
  console.log(formatResult(result))
  failed += result.failed
  for (const name of result.missingMethods ?? []) missing.add(name)
}
if (missing.size > 0) console.log(`methods not there yet: ${[...missing].sort().join(', ')}`)
console.log(failed === 0 ? 'goldens: no failures' : `goldens: ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
