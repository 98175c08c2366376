import { specIdOf, wilsonInterval } from '@qpkv/bench-kit'
import { describe, expect, it } from 'vitest'
import { needleRow, verdict, winners, type NeedleRow, type RowSummary } from '../src/index.ts'

const kivi = (bits: number) => ({ method: 'kivi', bits })
const at = (bytes: string, bits?: number) =>
  needleRow({
    budget: { bytes },
    prune: { method: 'snapkv' },
    ...(bits === undefined ? {} : { quantize: kivi(bits) }),
  })

function summary(
  row: NeedleRow,
  right: number,
  tokensKept: number,
  bytesPlanned = row.budgetBytes ?? 4_194_304,
): RowSummary {
  const bits = row.bits ?? 16
  return {
    row,
    spec: { kind: 'spec', id: specIdOf(row.spec), label: row.label, spec: row.spec },
    length: 2048,
    right,
    answers: 100,
    samples: 100,
    score: right / 100,
    interval: wilsonInterval(right, 100),
    designEffect: 1,
    promptTokens: 2048,
    tokensKept,
    bits: { nominal: bits, true: bits },
    bytesPlanned,
    bytesAllocated: bytesPlanned,
    bytesFull: 4_194_304,
    prefillTokensPerSecond: 1000,
    decodeTokensPerSecond: 100,
    peakRssBytes: 0,
    outcomes: Array.from({ length: 100 }, (_, i) => ({ id: `${i}`, right: i < right })),
  }
}

const full = summary(needleRow({}), 100, 2048)
const eight = summary(needleRow({ quantize: kivi(8) }), 100, 2048, 2_348_810)
const two = summary(needleRow({ quantize: kivi(2) }), 98, 2048, 796_917)

describe('the sentence', () => {
  it('names the joint row that won, against pruning alone', () => {
    const rows = [
      full,
      eight,
      two,
      summary(at('64KiB'), 1, 32),
      summary(at('64KiB', 4), 35, 82),
      summary(at('64KiB', 2), 51, 136),
    ]
    expect(verdict(rows)).toBe(
      'At 64 KiB pruning + 2 bit won (51 % right, 136 tokens per head), against pruning + 4 bit (35 %, 82 tokens per head), ' +
        'with pruning alone at 16 bit (1 %, 32 tokens per head); 2 bit without pruning gets 98 % at 19 % of the memory (full cache 100 %).',
    )
  })

  it('says when pruning alone won', () => {
    const rows = [summary(at('128KiB'), 90, 64), summary(at('128KiB', 2), 40, 302)]
    expect(verdict(rows)).toBe(
      'At 128 KiB pruning alone at 16 bit won (90 % right, 64 tokens per head), against pruning + 2 bit (40 %, 302 tokens per head).',
    )
  })

  it('says when the lead is not sure, level, or nothing was right', () => {
    const rows = [
      summary(at('64KiB'), 50, 32),
      summary(at('64KiB', 2), 52, 136),
      summary(at('128KiB'), 60, 64),
      summary(at('128KiB', 2), 60, 302, 130_000),
      summary(at('256KiB'), 0, 64),
      summary(at('256KiB', 2), 0, 64),
    ]
    expect(verdict(rows)).toBe(
      'At 64 KiB pruning + 2 bit won (52 % right, 136 tokens per head), ' +
        'not clearly ahead of pruning alone at 16 bit (50 %, 32 tokens per head, p = 0.50); ' +
        'at 128 KiB pruning + 2 bit and pruning alone at 16 bit are level (60 % right, 302 tokens per head); ' +
        'at 256 KiB no row got anything right.',
    )
  })

  it('says when quantizing alone does not keep up, and when there is nothing to compare', () => {
    expect(verdict([full, summary(needleRow({ quantize: kivi(1) }), 20, 2048)])).toBe(
      'No width of quantizing alone kept up with the full cache (100 %).',
    )
    expect(verdict([full])).toBe('Nothing was compared at equal bytes.')
  })

  it('picks winners per budget with the paired test', () => {
    const [first, second] = winners([
      summary(at('128KiB'), 60, 64),
      summary(at('64KiB', 2), 51, 136),
      summary(at('64KiB'), 1, 32),
    ])
    expect(first).toMatchObject({ budgetBytes: 65_536 })
    expect(first?.p).toBeLessThan(1e-9)
    expect(second).toMatchObject({ budgetBytes: 131_072, p: 1 })
  })
})
