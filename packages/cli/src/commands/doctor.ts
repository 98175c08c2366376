import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus, homedir, totalmem } from 'node:os'
import { join } from 'node:path'
import { availableMemory, loadAddon } from '@qpkv/core'
import { formatBytes, KvError } from '@qpkv/spec'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { packageVersions } from '../package-versions.ts'

/** What this machine offers to qpkv. */
interface Findings {
  readonly node: string
  readonly platform: string
  readonly cpu: { readonly model: string; readonly cores: number; readonly features: readonly string[] }
  readonly addon:
    { readonly path: string; readonly kind: string } | { readonly error: string; readonly hint?: string }
  readonly opTables: readonly string[]
  readonly memory: { readonly total: number; readonly available: number }
  readonly gpu: string
  readonly versions: Readonly<Record<string, string>>
  readonly modelCache: string
  readonly advice: readonly string[]
}

/** `qpkv doctor`: what works here, what does not, and what to do about it. Exit code 1 when the engine cannot run. */
export function addDoctor(program: Command, io: Io): void {
  program
    .command('doctor')
    .description('check this machine: CPU, addon, memory, versions')
    .option('--json', 'as JSON')
    .action((flags: { json?: boolean }) => {
      const found = examine()
      io.stdout.write(flags.json === true ? `${JSON.stringify(found, undefined, 2)}\n` : describe(found))
      if ('error' in found.addon)
        throw new KvError('KV_ADDON', 'The native engine cannot run here.', { hint: found.advice[0] ?? '' })
    })
}

function examine(): Findings {
  const [cpu] = cpus()
  const engine = examineAddon()
  const base = {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cpu: { model: cpu?.model.trim() ?? 'unknown', cores: cpus().length, features: engine.features },
    addon: engine.addon,
    opTables: engine.tables,
    memory: { total: totalmem(), available: availableMemory() },
    gpu: examineGpu(),
    versions: packageVersions(),
    modelCache:
      process.env['HF_HUB_CACHE'] ??
      join(process.env['HF_HOME'] ?? join(homedir(), '.cache', 'huggingface'), 'hub'),
  }
  return { ...base, advice: advise(base) }
}

function examineAddon(): { addon: Findings['addon']; tables: string[]; features: string[] } {
  try {
    const { addon, path, kind } = loadAddon()
    return { addon: { path, kind }, tables: addon.opTables(), features: addon.cpuFeatures() }
  } catch (cause) {
    const hint = KvError.isInstance(cause) ? cause.hint : undefined
    return {
      addon: { error: (cause as Error).message, ...(hint !== undefined && { hint }) },
      tables: [],
      features: [],
    }
  }
}

function examineGpu(): string {
  try {
    const name = execFileSync('nvidia-smi', ['--query-gpu=name', '--format=csv,noheader'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5000,
    })
    return `${name.trim()} (not used: this version computes on the CPU)`
  } catch {
    return 'none found (none is needed)'
  }
}

function advise(found: Omit<Findings, 'advice'>): string[] {
  const advice: string[] = []
  if ('error' in found.addon) advice.push(found.addon.hint ?? 'Install @qpkv/core again.')
  else if (found.opTables[0] === 'scalar')
    advice.push('This CPU has no vector instructions that qpkv knows: it works, slowly.')
  if (Number(found.node.split('.')[0]) < 22) advice.push('Node 20 works; 22 or newer is recommended.')
  if (found.memory.available < 2 ** 30)
    advice.push(`Only ${formatBytes(found.memory.available)} of memory are available: use small models.`)
  return advice
}

function describe(found: Findings): string {
  const addon =
    'error' in found.addon ? `missing: ${found.addon.error}` : `${found.addon.path} (${found.addon.kind})`
  const lines: [string, string][] = [
    ['node', `${found.node} on ${found.platform}`],
    ['cpu', `${found.cpu.model}, ${found.cpu.cores} cores`],
    ['features', found.cpu.features.join(' ') || '-'],
    ['addon', addon],
    [
      'op tables',
      found.opTables.length > 0
        ? `${found.opTables[0] ?? ''} is used; offered: ${found.opTables.join(', ')}`
        : '-',
    ],
    ['memory', `${formatBytes(found.memory.available)} available of ${formatBytes(found.memory.total)}`],
    ['gpu', found.gpu],
    ['models', `${found.modelCache}${existsSync(found.modelCache) ? '' : ' (not there yet)'}`],
    [
      'versions',
      Object.entries(found.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
  ]
  const text = lines.map(([name, value]) => `${name.padEnd(10)} ${value}\n`).join('')
  return (
    text +
    (found.advice.length > 0 ? `\n${found.advice.map((line) => `- ${line}\n`).join('')}` : '\nAll is well.\n')
  )
}
