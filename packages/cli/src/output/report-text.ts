import type { CanaryReport, ContextReport } from '@qpkv/core'
import { formatBytes, printSpec } from '@qpkv/spec'

/** What a context keeps, takes and took, in a few lines. */
export function reportText(report: ContextReport): string {
  const { bits, bytes, timings } = report
  const layers = report.kept.map((heads) => heads.join(' '))
  const same = layers.every((layer) => layer === layers[0])
  const stored = bytes.simulated ?? bytes.planned
  const lines = [
    ['spec', printSpec(report.spec)],
    ['tokens', `${report.promptTokens} in the prompt, ${report.tokens} in all`],
    [
      'kept',
      `${round(report.keptPerHead)} per head and layer (${same ? `every layer: ${layers[0] ?? ''}` : layers.join(' | ')})`,
    ],
    ...(report.windowed.layers.length > 0
      ? [
          [
            'windows',
            `${report.windowed.layers.length} of ${report.kept.length} layers keep what their sliding window sees (${formatBytes(report.windowed.bytes)}); a budget of tokens is about the others`,
          ],
        ]
      : []),
    ['weights', weightsText(report.engine)],
    ['bits', `${round(bits.nominal)} nominal, ${round(bits.true)} true`],
    [
      'bytes',
      `${formatBytes(stored)}${bytes.simulated === undefined ? '' : ' (simulated)'}, allocated ${formatBytes(bytes.allocated)}, grown ${formatBytes(bytes.grown)}, unused ${formatBytes(bytes.unused)}`,
    ],
    ['share', `${percent(report.shareOfFull)} of the full 16-bit cache (${formatBytes(report.fullBytes)})`],
    ...(report.canary ? [['canary', canaryText(report.canary)]] : []),
    [
      'prefill',
      `${round(timings.prefillMs)} ms, ${round(timings.prefillTokensPerSecond)} tokens/s${timings.promptPasses === 2 ? '; the prompt was read twice, as the allocator measures first' : ''}`,
    ],
    [
      'decode',
      timings.decodeTokens > 0
        ? `${timings.decodeTokens} tokens, ${round(timings.decodeTokensPerSecond)} tokens/s`
        : 'nothing yet',
    ],
  ]
  return lines.map(([name, text]) => `${(name ?? '').padEnd(8)} ${text}\n`).join('')
}

const canaryText = ({ verdict, asked, full, found, ms, tokens }: CanaryReport): string =>
  `${verdict}: the full cache finds ${full} of ${asked} hidden numbers, this one ${found} of these; ${round(ms)} ms, ${tokens} tokens`

/** `int4: 4 bit in groups of 32 3.4 MiB, 8 bit in groups of 32 1.0 MiB; products of 16-bit words`. */
function weightsText({ weights, precision }: ContextReport['engine']): string {
  const formats = Object.entries(weights.formats).map(([name, bytes]) => `${name} ${formatBytes(bytes)}`)
  const products = { none: 'float32', words: '16-bit words', bytes: 'bytes', bf16: 'bf16' }
  const kinds = weights.activations.map((kind) => products[kind]).join(' and ')
  return `${weights.mode}: ${formats.join(', ')}; products of ${kinds} (${precision})`
}

const round = (value: number): string =>
  value >= 100 ? String(Math.round(value)) : String(Number(value.toFixed(value >= 10 ? 1 : 2)))

const percent = (share: number): string => `${round(share * 100)} %`
