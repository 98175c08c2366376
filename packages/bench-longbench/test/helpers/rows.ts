/** A row as the official files have it. */
export const officialRow = (change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  input: 'Where is the lamp?',
  context: 'The lamp is in the mill. {input} $& \u2028 costs nothing.',
  answers: ['the mill'],
  length: 12,
  dataset: 'hotpotqa',
  language: 'en',
  all_classes: null,
  _id: 'a1',
  ...change,
})

export const jsonLines = (...rows: unknown[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join('')
