import { specIdOf, type NamedSpec, type Results } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'

/** Failures whose results are still missing end the command, those that `known` has as well excepted. */
export function refuseFailures(results: Results, specs: readonly NamedSpec[], known?: Results): void {
  const text = missingText(results, specs, known)
  if (text === undefined) return
  throw new KvError('KV_DATA', text, {
    hint: `Every failure stands in ${results.path}; the same command tries them again.`,
  })
}

/** `3 results are missing: CODE why`, or nothing when none is. */
export function missingText(
  results: Results,
  specs: readonly NamedSpec[],
  known?: Results,
): string | undefined {
  const asked = new Set(specs.map(({ spec }) => specIdOf(spec)))
  const earlier = known === undefined ? undefined : missingOf(known)
  const missing = [...missingOf(results)].filter(
    ([key, { spec }]) => asked.has(spec) && earlier?.has(key) !== true,
  )
  const last = missing.at(-1)?.[1].failure
  return last && `${missing.length} results are missing: ${last.code} ${last.message}`
}

/** The last failure of each sample and spec that no record came for since. */
function missingOf({ failures, records }: Results) {
  const there = new Set(records.map(({ sample, spec }) => `${sample}\0${spec}`))
  const each = failures.flatMap((failure) => failure.specs.map((spec) => ({ spec, failure })))
  return new Map(
    each
      .map((one) => [`${one.failure.sample}\0${one.spec}`, one] as const)
      .filter(([key]) => !there.has(key)),
  )
}
