import type { ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { readJson, type ArrayReference } from './arrays.ts'
import { checkCacheSequences, type CacheSequence } from './cache-sequences.ts'
import { checkHqq, type HqqCase } from './hqq.ts'
import { checkKiviPacks, type KiviPack } from './kivi-packs.ts'
import { checkKiviStreams, type KiviStream } from './kivi-streams.ts'
import { checkKvquant, type KvquantCase } from './kvquant.ts'
import type { Fault } from './pruners.ts'
import type { FamilyResult } from './report.ts'

interface QuantizerManifest {
  inputs: Record<string, ArrayReference>
  hqq?: HqqCase[]
  cache_sequences?: CacheSequence[]
  kivi_pack?: KiviPack[]
  kivi_stream?: KiviStream[]
  kvquant?: KvquantCase[]
}

/** `once`: also run what involves no kernel (storage that only released code has, calibration). */
export async function* checkQuantizers(
  folder: string,
  engine: ProbeEngine,
  options: { fault: Fault | undefined; once: boolean },
): AsyncGenerator<FamilyResult> {
  const manifest = readJson<QuantizerManifest>(folder, 'manifest.json')
  if (manifest.kivi_pack)
    yield await checkKiviPacks(folder, manifest.kivi_pack, manifest.inputs, engine, options.fault)
  if (manifest.kivi_stream) yield await checkKiviStreams(folder, manifest.kivi_stream, engine)
  if (manifest.hqq) yield* checkHqq(folder, manifest.hqq, manifest.inputs, engine, options.once)
  if (manifest.cache_sequences && options.once) yield checkCacheSequences(folder, manifest.cache_sequences)
  if (manifest.kvquant && options.once) yield checkKvquant(folder, manifest.kvquant)
}
