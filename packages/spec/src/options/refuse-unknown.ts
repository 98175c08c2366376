import { KvError, type KvErrorCode } from '../errors.ts'
import { nearestName } from '../nearest-name.ts'

/**
 * Refuses a field that nobody reads, with the nearest name; undefined values count as left out. `path` is where the
 * object stands: the message names `path.field`, or the field alone where the path is empty.
 */
export function refuseUnknown(
  given: object,
  known: readonly string[],
  path: string,
  code: KvErrorCode = 'KV_INVALID_OPTION',
  what = 'option',
): void {
  for (const [name, value] of Object.entries(given)) {
    if (known.includes(name) || value === undefined) continue
    const near = nearestName(name, known)
    const list =
      known.length > 0
        ? `${what === 'option' ? 'Options' : 'Fields'}: ${known.join(', ')}.`
        : `It has no ${what}s.`
    throw new KvError(code, `Unknown ${what} ${path === '' ? name : `${path}.${name}`}.`, {
      hint: near ? `Did you mean ${near}? ${list}` : list,
    })
  }
}
