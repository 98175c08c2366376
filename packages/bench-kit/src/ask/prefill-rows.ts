import { KvError, type CompressionSpec } from '@qpkv/spec'
import type { AskFailure, NamedSpec } from '../run/run-samples.ts'

/**
 * One prefill for all rows. A spec that cannot be resolved for this prompt, such as a budget that is too small, is set aside first; where the
 * prefill of the others fails together, each is tried alone, so that no spec takes the sample from the others.
 * @param prefill gives one context per spec, in order
 * @param resolve throws what resolving a spec for this prompt throws
 * @returns a context or a failure per row, in order
 * @throws KvError KV_ABORTED
 */
export async function prefillRows<Context extends object>(
  rows: readonly NamedSpec[],
  prefill: (specs: readonly CompressionSpec[]) => Promise<readonly Context[]>,
  resolve: (spec: CompressionSpec) => unknown,
): Promise<readonly (Context | AskFailure)[]> {
  const refused = new Map(rows.flatMap((row) => refusal(row, resolve)))
  const rest = rows.filter((row) => !refused.has(row))
  const contexts = new Map<NamedSpec, Context | AskFailure>(refused)
  if (rest.length > 0) for (const [row, context] of await together(rest, prefill)) contexts.set(row, context)
  return rows.map((row) => contexts.get(row) ?? { error: new KvError('KV_DATA', 'The spec was not asked.') })
}

async function together<Context extends object>(
  rows: readonly NamedSpec[],
  prefill: (specs: readonly CompressionSpec[]) => Promise<readonly Context[]>,
): Promise<(readonly [NamedSpec, Context | AskFailure])[]> {
  try {
    const contexts = await prefill(rows.map(({ spec }) => spec))
    return rows.flatMap((row, i) => (contexts[i] ? [[row, contexts[i]] as const] : []))
  } catch (error) {
    if (isAbort(error)) throw error
    if (rows.length === 1) return rows.map((row) => [row, { error }] as const)
    const alone: (readonly [NamedSpec, Context | AskFailure])[] = []
    for (const row of rows) alone.push(...(await together([row], prefill)))
    return alone
  }
}

/** Cancelled, by our error or by Node's own. */
export const isAbort = (error: unknown): boolean =>
  (KvError.isInstance(error) && error.code === 'KV_ABORTED') ||
  (error instanceof Error && error.name === 'AbortError')

function refusal(row: NamedSpec, resolve: (spec: CompressionSpec) => unknown): [NamedSpec, AskFailure][] {
  try {
    resolve(row.spec)
    return []
  } catch (error) {
    return [[row, { error }]]
  }
}
