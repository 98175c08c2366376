import { KvError, type CompressionSpec } from '@qpkv/spec'
import type { AskFailure, NamedSpec } from '../run/run-samples.ts'

/** Contexts of the rows that the prompt can be compressed with, and why the others cannot. */
export interface PrefilledRows<Context> {
  readonly contexts: ReadonlyMap<NamedSpec, Context>
  readonly refusals: ReadonlyMap<NamedSpec, AskFailure>
}

/**
 * One prefill for all rows. Where resolving fails, the specs at fault are set aside and the rest is tried again, so
 * that one budget that is too small for a prompt does not cost the others their result.
 * @param prefill gives one context per spec, in order
 * @param resolve throws what resolving a spec for this prompt throws
 * @throws what `prefill` throws, where it is no spec's fault or every spec's
 */
export async function prefillRows<Context>(
  rows: readonly NamedSpec[],
  prefill: (specs: readonly CompressionSpec[]) => Promise<readonly Context[]>,
  resolve: (spec: CompressionSpec) => unknown,
): Promise<PrefilledRows<Context>> {
  const run = async (some: readonly NamedSpec[]) => {
    const contexts = await prefill(some.map(({ spec }) => spec))
    return new Map(contexts.flatMap((context, i) => (some[i] ? [[some[i], context] as const] : [])))
  }
  try {
    return { contexts: await run(rows), refusals: new Map() }
  } catch (error) {
    if (rows.length === 1 || !KvError.isInstance(error) || error.code === 'KV_ABORTED') throw error
    const refusals = new Map(rows.flatMap((row) => refusal(row, resolve)))
    const rest = rows.filter((row) => !refusals.has(row))
    if (refusals.size === 0 || rest.length === 0) throw error
    return { contexts: await run(rest), refusals }
  }
}

function refusal(row: NamedSpec, resolve: (spec: CompressionSpec) => unknown): [NamedSpec, AskFailure][] {
  try {
    resolve(row.spec)
    return []
  } catch (error) {
    return [[row, { error }]]
  }
}
