import { mean, pythonRound, specIdOf, textTable, type NamedSpec, type SampleRecord } from '@qpkv/bench-kit'

const groups = ['overall', 'easy', 'hard', 'short', 'medium', 'long'] as const

/** Percent right, one decimal: a row per spec, as the official table. */
export function v2Table(records: readonly SampleRecord[], specs: readonly NamedSpec[]): string {
  return textTable(
    ['spec', ...groups, 'questions'],
    specs.map(({ label, spec }) => {
      const mine = records.filter((record) => record.spec === specIdOf(spec))
      const percent = (group: (typeof groups)[number]) =>
        mean(
          mine
            .filter(
              ({ facets }) =>
                group === 'overall' || facets['difficulty'] === group || facets['size'] === group,
            )
            .map(({ answers }) => 100 * (answers[0]?.scores['right'] ?? 0)),
        )
      const cells = groups.map((group) =>
        Number.isNaN(percent(group)) ? '-' : pythonRound(percent(group), 1).toFixed(1),
      )
      return [label, ...cells, String(mine.length)]
    }),
  )
}
