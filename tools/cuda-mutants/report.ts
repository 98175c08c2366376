import type { Outcome } from './outcomes.ts'
import { label } from './write-mutants.ts'

/** Wilson's interval of 95 % for `part` of `whole`. */
function interval(part: number, whole: number): [number, number] {
  const z = 1.96
  const p = part / whole
  const middle = p + z ** 2 / (2 * whole)
  const half = z * Math.sqrt((p * (1 - p)) / whole + z ** 2 / (4 * whole ** 2))
  return [(middle - half) / (1 + z ** 2 / whole), (middle + half) / (1 + z ** 2 / whole)]
}

export interface Tried {
  readonly outcome: Outcome
  /** Why nothing can catch it, of a survivor. */
  readonly why: string | undefined
}

export interface Shares {
  readonly caught: number
  readonly survived: number
  readonly explained: number
  /** Caught of those that are not explained. */
  readonly share: number
}

export function sharesOf(tried: readonly Tried[]): Shares {
  const caught = tried.filter(({ outcome }) => outcome.by !== null).length
  const explained = tried.filter(({ outcome, why }) => outcome.by === null && why !== undefined).length
  const survived = tried.length - caught - explained
  return { caught, survived, explained, share: caught + survived === 0 ? 1 : caught / (caught + survived) }
}

/** '280 caught, 10 survived, 10 explained: 96.6 % (95 %: 93.8 to 98.1)'. */
export function summary(tried: readonly Tried[]): string {
  const { caught, survived, explained, share } = sharesOf(tried)
  const percent = (x: number) => (100 * x).toFixed(1)
  const [low, high] = interval(caught, Math.max(1, caught + survived))
  return `${caught} caught, ${survived} survived, ${explained} explained: ${percent(share)} % (95 %: ${percent(low)} to ${percent(high)})`
}

/** A Markdown table by file, and what survived without an explanation. */
export function table(tried: readonly Tried[]): string {
  const files = [...new Set(tried.map(({ outcome }) => outcome.file))].sort()
  const row = (name: string, of: readonly Tried[]) => {
    const how = (word: string) => of.filter(({ outcome }) => outcome.by?.endsWith(word)).length
    const { survived, explained } = sharesOf(of)
    return `| ${[name, of.length, how('fails'), how('ends'), how('hangs'), explained, survived].join(' | ')} |`
  }
  const survivors = tried.filter(({ outcome, why }) => outcome.by === null && why === undefined)
  return [
    '| file | tried | a test fails | the executor ends | hangs | explained | survived |',
    '| --- | --: | --: | --: | --: | --: | --: |',
    ...files.map((file) =>
      row(
        `\`${file}\``,
        tried.filter(({ outcome }) => outcome.file === file),
      ),
    ),
    row('all', tried),
    '',
    ...(survivors.length === 0 ? [] : ['Survived:', '']),
    ...survivors.map(
      ({ outcome }) => `- \`${label(outcome)}\`${outcome.reached ? '' : ' (no test comes by)'}`,
    ),
  ]
    .join('\n')
    .trimEnd()
}
