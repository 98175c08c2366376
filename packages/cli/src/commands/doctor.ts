import { availableMemory } from '@qpkv/core'
import { KvError } from '@qpkv/spec'
import { cpus, totalmem } from 'node:os'
import type { Command } from 'commander'
import { examineAddon } from '../doctor/examine-addon.ts'
import { advise, type Findings } from '../doctor/findings.ts'
import { findingsText } from '../doctor/findings-text.ts'
import { examineGpu } from '../doctor/examine-gpu.ts'
import { examineModelCache } from '../doctor/model-cache.ts'
import { examinePackedWeights } from '../doctor/packed-weights.ts'
import type { Io } from '../io.ts'
import { jsonText } from '../output/put.ts'
import { packageVersions } from '../package-versions.ts'

/** `qpkv doctor`: what works here, what does not, and what to do about it. Exit code 1 when the engine cannot run. */
export function addDoctor(program: Command, io: Io): void {
  program
    .command('doctor')
    .description('check this machine: CPU, addon, memory, models, versions')
    .option('--json', 'as JSON')
    .action(async (flags: { json?: boolean }) => {
      const found = await examine()
      io.stdout.write(flags.json === true ? jsonText(found) : findingsText(found))
      if ('error' in found.addon)
        throw new KvError('KV_ADDON', 'The native engine cannot run here.', { hint: found.advice[0] ?? '' })
    })
}

async function examine(): Promise<Findings> {
  const [cpu] = cpus()
  const engine = examineAddon()
  const base = {
    node: process.versions.node,
    platform: engine.platform,
    cpu: { model: cpu?.model.trim() ?? 'unknown', cores: cpus().length, features: engine.features },
    addon: engine.addon,
    opTables: engine.tables,
    memory: { total: totalmem(), available: availableMemory() },
    gpu: await examineGpu(),
    versions: packageVersions(),
    modelCache: examineModelCache(),
    weights: await examinePackedWeights(),
  }
  return { ...base, advice: advise(base) }
}
