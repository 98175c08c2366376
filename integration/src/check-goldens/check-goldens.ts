import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { probeAddon, type ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { checkGoldens as checkLongBench } from './longbench/check-goldens.ts'
import { checkGoldens as checkNeedle } from './needle/check-goldens.ts'
import { checkGoldens as checkRuler } from './ruler/check-goldens.ts'
import { checkQuantizers } from './quantizers.ts'
import { checkArchitectures, checkModel } from './logits.ts'
import { checkNextQuantizers } from './next-quantizers.ts'
import { checkNext, checkNextCounts } from './next-scores.ts'
import { checkOriginals } from './originals.ts'
import { checkPruners, checkPyramidTables, type Fault } from './pruners.ts'
import type { FamilyResult } from './report.ts'
import { checkTradeoff } from './tradeoff.ts'

export interface CheckOptions {
  /** Folder with third-party data that is not shipped. */
  readonly assets?: string | undefined
  /** Op tables to run; default: all of the machine. */
  readonly tables?: readonly string[] | undefined
  /** Families to run; default: all that the folder has. */
  readonly families?: readonly string[] | undefined
  /** Tests only: a planted fault. */
  readonly fault?: Fault
}

/** Texts per file of `tradeoff` on tables other than the fastest. */
const FEW_TEXTS = 2

/** Runs everything that a folder of vectors holds, for every op table of the machine, and yields results as they come. */
export async function* checkGoldens(
  folder: string,
  options: CheckOptions = {},
): AsyncGenerator<FamilyResult> {
  const wanted = (family: string) =>
    existsSync(join(folder, family)) && (options.families?.includes(family) ?? true)
  const addon = probeAddon()
  const tables = addon.opTables().filter((table) => options.tables?.includes(table) ?? true)
  const fastest = tables[0]
  if (wanted('pruners')) yield checkPyramidTables(join(folder, 'pruners'))
  if (wanted('pruners-next')) yield checkNextCounts(join(folder, 'pruners-next'))
  for (const table of tables) {
    const engine: ProbeEngine = addon.createEngine({ threads: 2, table })
    try {
      if (wanted('pruners')) {
        yield await checkPruners(join(folder, 'pruners'), engine, options.fault)
        yield* checkOriginals(join(folder, 'pruners'), engine)
      }
      if (wanted('quantizers-next')) yield await checkNextQuantizers(join(folder, 'quantizers-next'), engine)
      if (wanted('pruners-next')) yield await checkNext(join(folder, 'pruners-next'), engine)
      if (wanted('quantizers'))
        yield* checkQuantizers(join(folder, 'quantizers'), engine, {
          fault: options.fault,
          once: table === fastest,
        })
    } finally {
      engine.dispose()
    }
    // The naive table is slow, and its two precisions differ in decode attention only, which the families above cover.
    const precisions = table === 'reference' ? (['f32'] as const) : (['f32', 'bf16'] as const)
    for (const precision of precisions) {
      if (wanted('arch')) yield await checkArchitectures(join(folder, 'arch'), table, precision)
      if (wanted('model')) yield await checkModel(join(folder, 'model'), table, precision)
    }
    // The naive table is an oracle for single ops; whole texts of 2,048 tokens would take it many minutes each.
    if (wanted('tradeoff') && table !== 'reference')
      yield await checkTradeoff(join(folder, 'tradeoff'), table, table === fastest ? undefined : FEW_TEXTS)
  }
  if (wanted('metrics')) {
    yield* await checkLongBench(join(folder, 'metrics'), options.assets)
    yield* await checkNeedle(join(folder, 'metrics'))
  }
  if (wanted('metrics') || wanted('ruler')) yield* await checkRuler(folder, options.assets)
}
