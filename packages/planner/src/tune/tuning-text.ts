import { leftTable, textTable } from '@qpkv/bench-kit'
import { formatBytes, printSpec } from '@qpkv/spec'
import type { BitTuning, TunedRow } from './tune-bits.ts'

/** Tuned against uniform, and what each layer got, for a terminal. */
export function tuningText({ tuned, uniform, difference, spec, errors }: BitTuning): string {
  const row = (name: string, { bytes, kl, top1 }: TunedRow) => [
    name,
    formatBytes(bytes),
    kl.toFixed(5),
    `${(100 * top1).toFixed(1)} %`,
  ]
  const { mean, low, high } = difference
  const layers = (tuned.spec.layers ?? []).map(({ from = 0, to = 0, keyBits, valueBits }) => [
    to - from === 1 ? `layer ${from}` : `layers ${from} to ${to - 1}`,
    `keys ${keyBits ?? ''} bit`,
    `values ${valueBits ?? ''} bit`,
    `errors alone ${sum(errors, from, to, 'key', keyBits)} and ${sum(errors, from, to, 'value', valueBits)} nats`,
  ])
  const gained = spec === tuned.spec
  return [
    textTable(
      ['held-out text', 'bytes', 'KL nats', 'same next token'],
      [row('tuned', tuned), row('uniform', uniform)],
    ),
    `KL tuned - uniform: ${mean.toFixed(5)} (95 % ${low.toFixed(5)} to ${high.toFixed(5)})\n`,
    leftTable(['', '', '', ''], layers).split('\n').slice(1).join('\n'),
    gained ? '' : 'Tuning gained nothing on text that it had not seen; the uniform spec is recommended.\n',
    `recommended: ${printSpec(spec)}\n`,
  ].join('')
}

function sum(errors: BitTuning['errors'], from: number, to: number, tensor: string, bits: unknown): string {
  const mine = errors.filter(
    (one) => one.layer >= from && one.layer < to && one.tensor === tensor && one.bits === bits,
  )
  return mine.reduce((total, { error }) => total + error, 0).toExponential(1)
}
