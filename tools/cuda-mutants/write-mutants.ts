import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** One change of a kernel; its place in the list is the number by which it is chosen. */
export interface Mutant {
  /** Relative to packages/cuda/native. */
  readonly file: string
  readonly line: number
  /**
   * The barrier or wait is gone, or the right side of a comparison is one more or one less. Of floats, that is: what is equal falls
   * on the other side, which one of the two does and the other is no change (mutant.h).
   */
  readonly change: 'deleted' | '+1' | '-1'
  /** What is changed, as it stands in the file. */
  readonly text: string
  /** How many of the same text stand before it in the file. */
  readonly before: number
}

const barrier = /\b(?:__syncthreads\(\)|WaitCopies<\d>\(\)|SyncWarp\(\))(?=;)/g
const comparison = / (?:<=?|>=?) (?=[^=\s])/g

/** Files of kernels, and what all of them are made of. */
export function kernelFiles(native: string): string[] {
  const found = (folder: string): string[] =>
    readdirSync(join(native, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = `${folder}/${entry.name}`
      return entry.isDirectory() ? found(path) : /\.(cu|h)$/.test(entry.name) ? [path] : []
    })
  return [...found('kernels').sort(), 'device/warp.h']
}

/** End of the right side of a comparison that begins at `from`; undefined where it is none that can be changed. */
function operandEnd(text: string, from: number): number | undefined {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const rest = text.slice(at, at + 4)
    if ('([{'.includes(text[at]!)) depth++
    else if (depth > 0) {
      if (')]}'.includes(text[at]!)) depth--
    } else if (/^(?:[)\]};,?]|&&|\|\||: | [&|^] | [!=]= | <=? | >=? )/.test(rest)) {
      return at
    }
  }
  return undefined
}

/** Spaces in its place, so that every place keeps its number. */
const blank = (text: string) => text.replace(/[^\n]/g, ' ')

/** Comments, and what is written once for nvcc and once for the host's executor: both are the tools and no kernels. */
const withoutTools = (text: string) =>
  text.replace(/\/\/.*/g, blank).replace(/^#ifdef __CUDACC__$[^]*?^#endif/gm, blank)

/** 'a < b ? a : b': where both are equal either is right, and the change that tells them apart then is none. */
function isLeastOrMost(text: string, from: number, to: number, operator: string): boolean {
  const operand = text.slice(from, to).replace(/\s+/g, ' ').trim()
  const rest = /^\s*\?\s*([^?:;]+?)\s*:\s*([^?:;<>]*)/.exec(text.slice(to, to + 200))
  if (!rest) return false
  const [, first, second] = rest.map((part) => part.replace(/\s+/g, ' '))
  const left = text.slice(0, from - operator.length).replace(/\s+/g, ' ')
  const isLeft = (side: string) => left.endsWith(side) && !/[\w.)\]>]/.test(left.at(-side.length - 1) ?? '')
  return (isLeft(first!) && second!.startsWith(operand)) || (first === operand && isLeft(second!.trim()))
}

/**
 * Writes every mutant of a file into it, each behind its number; numbers count from `mutants.length`, and `mutants` grows.
 * The host's side, behind the anonymous namespace, stays as it is: its bounds are no kernel's.
 */
export function writeMutants(file: string, source: string, mutants: Mutant[]): string {
  const end = file.endsWith('.cu') ? source.indexOf('\n}  // namespace\n') : source.length
  const text = withoutTools(source.slice(0, end === -1 ? source.length : end))
  const edits: { from: number; to: number; changes: Mutant['change'][]; write: (id: number) => string }[] = []
  for (const { index, 0: call } of text.matchAll(barrier))
    edits.push({
      from: index,
      to: index + call.length,
      changes: ['deleted'],
      write: (id) => `(::qpkv::mutants::Deleted(${id}) ? (void)0 : ${call})`,
    })
  for (const { index, 0: operator } of text.matchAll(comparison)) {
    const lineStart = text.lastIndexOf('\n', index) + 1
    if (/\b(?:template|static_assert|constexpr|operator|#)/.test(text.slice(lineStart, index))) continue
    const from = index + operator.length
    const to = operandEnd(text, from)
    if (to === undefined) continue
    const operand = text.slice(from, to)
    // By this one what is equal falls on the other side.
    const equal = /<(?!=)|>=/.test(operator) ? '+1' : '-1'
    const changes = (['+1', '-1'] as const).filter(
      (change) => change !== equal || !isLeastOrMost(text, from, to, operator),
    )
    edits.push({
      from,
      to,
      changes,
      write: (id) =>
        `::qpkv::mutants::Bound<${changes.length}, ${changes[0] === '+1'}, ${equal === '+1'}>(${id}, ${operand})`,
    })
  }
  edits.sort((a, b) => a.from - b.from)
  const seen = new Map<string, number>()
  let written = ''
  let at = 0
  for (const { from, to, changes, write } of edits) {
    // The right side of a comparison may hold another one, which then stays as it is.
    if (from < at) continue
    written += source.slice(at, from) + write(mutants.length)
    at = to
    const lineStart = text.lastIndexOf('\n', from - 1) + 1
    const shown = text.slice(lineStart, text.indexOf('\n', to) === -1 ? undefined : text.indexOf('\n', to))
    const whole = shown.replace(/\s+/g, ' ').trim()
    const key = `${whole} | ${text.slice(from, to)}`
    const before = seen.get(key) ?? 0
    seen.set(key, before + 1)
    for (const change of changes)
      mutants.push({
        file,
        line: text.slice(0, from).split('\n').length,
        change,
        text: change === 'deleted' ? whole : `${whole} | ${text.slice(from, to).replace(/\s+/g, ' ').trim()}`,
        before,
      })
  }
  return written + source.slice(at)
}

export const label = ({ file, line, change, text }: Mutant): string => `${file}:${line} ${change}  ${text}`
