import { checkTiers, type Tier } from '../spec/tiers.ts'
import { fail } from './scan.ts'

/** `8:0.1,4:0.3,2`: widths with their shares, the last without. */
export const printTiers = (tiers: readonly Tier[]): string =>
  tiers.map(({ share, bits }) => (share === 'rest' ? `${bits}` : `${bits}:${share}`)).join(',')

/** The same to tiers; `from`: where it stands in `text`. */
export function parseTiers(text: string, from: number, to: number): readonly Tier[] {
  const parts = text.slice(from, to).split(',')
  const tiers = parts.map((part, i) => {
    const match = /^(\d+)(?::(\d*\.?\d+(?:e-?\d+)?))?$/.exec(part)
    if (!match || (match[2] === undefined) !== (i === parts.length - 1))
      throw fail(text, from, `"${part}" is no tier`, 'For instance #tiers=8:0.1,4:0.3,2.')
    return { share: match[2] === undefined ? 'rest' : Number(match[2]), bits: Number(match[1]) }
  })
  return checkTiers(tiers)
}
