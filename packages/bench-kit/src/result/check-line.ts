import { describeValue, isPlainObject, KvError, loadSpec } from '@qpkv/spec'

type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string'
// JSON can spell numbers that read as infinite.
const isNumber: Check = (value) => Number.isFinite(value)
const isCount: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value)
const each =
  (check: Check): Check =>
  (value) =>
    isPlainObject(value) && Object.values(value).every(check)
const isFacets = each((value) => isText(value) || isNumber(value))
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check)

/** A nested object whose members pass. */
const shape =
  (members: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isPlainObject(value) && Object.entries(members).every(([name, check]) => check(value[name]))

const machine = shape({ cpu: isText, cores: isNumber, memoryBytes: isNumber })
const origin = { versions: each(isText), machine, startedAt: isText, extent: optional(isPlainObject) }
const answer = shape({
  id: isText,
  facets: isFacets,
  expected: isText,
  reply: isText,
  scores: each(isNumber),
})

/** What readers rely on, by kind of line; lines of other kinds are left alone, as a newer version may write them. */
const members: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  run: {
    ...origin,
    runId: isText,
    identity: shape({
      bench: isText,
      task: isPlainObject,
      model: shape({
        name: isText,
        fingerprint: isText,
        precision: optional(isText),
        weights: optional(isText),
      }),
    }),
  },
  resume: origin,
  spec: { id: isText, label: isText, spec: isSpec },
  plan: { id: isText, plan: isPlainObject },
  failure: { sample: isText, specs: listOf(isText), code: isText, message: isText },
  sample: {
    id: isText,
    sample: isText,
    input: optional(isText),
    spec: isText,
    plan: optional(isText),
    facets: isFacets,
    promptTokens: isCount,
    tokensKept: isNumber,
    spent: optional(shape({ nominal: isNumber, bytes: isNumber })),
    bits: optional(shape({ nominal: isNumber, true: isNumber })),
    bytes: shape({ planned: isNumber, allocated: isNumber, grown: isNumber, full: isNumber }),
    timings: shape({ prefillMs: isNumber, appendMs: isNumber, decodeMs: isNumber, decodeTokens: isNumber }),
    peakRssBytes: optional(isNumber),
    answers: listOf(answer),
  },
}

function isSpec(value: unknown): boolean {
  try {
    loadSpec(isPlainObject(value) ? value : {})
    return true
  } catch (cause) {
    if (KvError.isInstance(cause)) return false
    throw cause
  }
}

/** Throws KV_RESULT_FILE unless the line has what its kind promises; `where` names file and line. */
export function checkLine(line: object, where: string): void {
  const { kind, ...rest } = line as Record<string, unknown>
  if (typeof kind !== 'string' || !Object.hasOwn(members, kind)) return
  for (const [name, check] of Object.entries(members[kind] ?? {}))
    if (!check(rest[name]))
      throw new KvError(
        'KV_RESULT_FILE',
        `${where}: expected a ${kind} line with a sound ${name} but received ${describeValue(rest[name])}.`,
        {
          hint:
            kind === 'sample'
              ? 'Delete this line; the sample runs again when the command is repeated.'
              : 'Use a copy of the file.',
        },
      )
}
