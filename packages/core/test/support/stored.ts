import { planBytes } from '@qpkv/spec'
import { expect } from 'vitest'
import type { Context, Model } from '../../src/index.ts'
import { exportTiles } from './probe.ts'

export const ids = (count: number, seed = 1) =>
  Array.from({ length: count }, (_, i) => 20 + (((i + seed) * 7919) % 3600))
export const quiet = { onWarning: () => undefined }

/** What the kernels see, all of it. */
export const stored = (context: Context, { layers, kvHeads }: Model['facts']) =>
  Array.from({ length: layers * kvHeads }, (_, i) =>
    exportTiles(context, Math.floor(i / kvHeads), i % kvHeads),
  )

/** The counter of slots is the plan's, to the byte. */
export function holdsItsPlan(context: Context, { facts }: Model): void {
  const { bytes, plan } = context.report
  expect(bytes.allocated).toBe(bytes.planned)
  expect(bytes.planned).toBe(planBytes(plan, facts).total)
  expect(bytes.grown).toBe(0)
  expect(context.bytes).toBe(bytes.planned - bytes.tables)
}
