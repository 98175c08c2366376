import { formatDuration, orDash, textTable } from '@qpkv/bench-kit'
import { formatBytes, printSpec } from '@qpkv/spec'
import type { CompressionPlanning, JudgedSpec } from '../plan-result.ts'

/** The frontier as a table, and what is recommended, for a terminal. */
export function planningText(planning: CompressionPlanning): string {
  const { judged, recommended, full, points, context, measured, candidates, cutShort, takenOver, ms } =
    planning
  const rows = judged.map((row) => [
    `${row.onFrontier ? '*' : ' '} ${printSpec(row.spec)}`,
    formatBytes(row.bytes),
    percent(row.share),
    percent(row.quality.points),
    interval(row),
    row.quality.kl.toFixed(4),
    orDash(row.decodeMs, 2),
  ])
  const head = [
    '  spec',
    'bytes',
    'of full',
    points === 'answers' ? 'answers kept' : 'same next token',
    '95 %',
    'KL nats',
    'ms/token',
  ]
  const answered = `${full.found} of ${full.asked}`
  const lines = [
    textTable(head, rows).trimEnd(),
    `  full cache: ${formatBytes(full.bytes)}${full.decodeMs === undefined ? '' : `, ${full.decodeMs.toFixed(2)} ms/token`}; it answers ${answered} questions`,
    ...(points === 'answers'
      ? []
      : [
          '  The model does not answer such questions with its full cache, so likeliest next tokens are compared instead.',
        ]),
    '  *: no other keeps as much in fewer bytes. Bytes are exact, by the plan; ms/token are predicted from steps timed here.',
    '',
    `recommended for ${context} tokens: ${printSpec(recommended.spec)}`,
    `  keeps ${percent(recommended.quality.points)} (${interval(recommended)}) of ${points === 'answers' ? "the full cache's answers" : 'likeliest next tokens'} in ${percent(recommended.share)} of its bytes`,
    `  ${restsOn(planning)}`,
    ...decodeLine(planning),
    `  ${candidates} candidates in ${formatDuration(ms)}, measured at ${measured} tokens${measured < context ? ' with the same share of bytes' : ''}${cutShort ? '; the time was up before the search was through' : ''}${takenOver > 0 ? `; ${takenOver} measurements were there already` : ''}`,
  ]
  return `${lines.join('\n')}\n`
}

function restsOn({
  judgedOn: { prompts, wanted },
  points,
  recommended: { quality },
}: CompressionPlanning): string {
  const what = points === 'answers' ? `${quality.answers} answers about ` : ''
  const seen = `${what}${prompts} ${prompts === 1 ? 'prompt' : 'prompts'} that the search has not seen`
  return `rests on ${seen}${prompts < wanted ? `; there was no time for the other ${wanted - prompts}` : ''}`
}

const decodeLine = ({ decode }: CompressionPlanning): string[] =>
  decode === undefined
    ? []
    : [
        `  decode at ${decode.tokens} tokens: ${decode.predictedMs.toFixed(2)} ms/token predicted, ${decode.measuredMs.toFixed(2)} measured`,
      ]

const percent = (share: number) => `${(100 * share).toFixed(1)} %`
const interval = ({ quality: { low, high } }: JudgedSpec) =>
  `${(100 * low).toFixed(0)} to ${(100 * high).toFixed(0)}`
