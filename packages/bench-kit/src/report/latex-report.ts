import { formatBytes } from '@qpkv/spec'
import type { ReportPart } from './results-report.ts'
import type { SpecSummary } from './spec-summary.ts'

/** Characters that LaTeX reads as commands. */
const commands: Readonly<Record<string, string>> = {
  '\\': String.raw`\textbackslash{}`,
  '~': String.raw`\textasciitilde{}`,
  '^': String.raw`\textasciicircum{}`,
}
const escape = (text: string) =>
  text.replaceAll(/[\\~^&%$#_{}]/g, (character) => commands[character] ?? `\\${character}`)

/**
 * A table per part, for `\usepackage{booktabs}`: score with its 95 % interval, answers, tokens kept, bits, real bytes, and prefill milliseconds
 * per sample. A rule between pruners.
 */
export const latexReport = (parts: readonly ReportPart[]): string => parts.map(tableOf).join('\n')

function tableOf({ title, metric, summaries }: ReportPart): string {
  const rows = summaries.flatMap((summary, i) => {
    const begins = i > 0 && prunerOf(summary) !== prunerOf(summaries[i - 1])
    return [...(begins ? [String.raw`  \midrule`] : []), `  ${rowOf(summary).join(' & ')} \\\\`]
  })
  return [
    String.raw`\begin{table}`,
    String.raw`\centering`,
    String.raw`\caption{${escape(title)}: ${escape(metric)} with 95\,\% intervals.}`,
    String.raw`\begin{tabular}{lrrrrrr}`,
    String.raw`  \toprule`,
    String.raw`  row & ${escape(metric)} & answers & tokens & bits & bytes & prefill ms \\`,
    String.raw`  \midrule`,
    ...rows,
    String.raw`  \bottomrule`,
    String.raw`\end{tabular}`,
    String.raw`\end{table}`,
    '',
  ].join('\n')
}

const prunerOf = (summary: SpecSummary | undefined) => summary?.spec.spec.prune.method

function rowOf(summary: SpecSummary): string[] {
  const { spec, score, interval, answers, tokensKept, bits, bytesPlanned, promptTokens } = summary
  const perSecond = summary.prefillTokensPerSecond
  return [
    String.raw`\texttt{${escape(spec.label)}}`,
    String.raw`${score.toFixed(3)} {\scriptsize (${interval.low.toFixed(3)}--${interval.high.toFixed(3)})}`,
    String(answers),
    String(Math.round(tokensKept)),
    bits === undefined ? '--' : String(Number(bits.nominal.toFixed(1))),
    formatBytes(Math.round(bytesPlanned)),
    perSecond > 0 ? String(Math.round((1000 * promptTokens) / perSecond)) : '--',
  ]
}
