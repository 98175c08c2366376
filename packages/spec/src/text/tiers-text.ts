import { checkTiers, type Tier } from '../spec/tiers.ts'
import { fail } from './scan.ts'

/** `8:0.1,4:0.3,2`: widths with their shares, the last without; `8,4,2`: the allocator shares out. */
export const printTiers = (tiers: readonly Tier[]): string =>
  tiers.map(({ share, bits }) => (typeof share === 'number' ? `${bits}:${share}` : `${bits}`)).join(',')

/** The same to tiers; `from`: where it stands in `text`. */
export function parseTiers(text: string, from: number, to: number): readonly Tier[] {
  const parts = text.slice(from, to).split(',')
  const tiers = parts.map((part, i) => {
    const match = /^(\d+)(?::(\d*\.?\d+(?:e-?\d+)?))?$/.exec(part)
    const last = i === parts.length - 1
    const shared = match?.[2] !== undefined
    if (!match || (last ? shared : shared !== parts[0]!.includes(':')))
      throw fail(text, from, `"${part}" is no tier`, 'For instance #tiers=8:0.1,4:0.3,2, or #tiers=8,4,2.')
    return { share: last ? 'rest' : shared ? Number(match[2]) : 'allocated', bits: Number(match[1]) }
  })
  return checkTiers(tiers)
}
