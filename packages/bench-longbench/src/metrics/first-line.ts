/** Leading line feeds removed (no other white space). */
const stripFeeds = (text: string): string => text.replace(/^\n+/, '')

/** The text up to the first line feed, after leading line feeds: the cut before scoring in four few-shot datasets. */
export function firstLine(prediction: string): string {
  return stripFeeds(prediction).split('\n', 1)[0] ?? ''
}

/** The first line without a backquote, "#" or "//"; it may be blank, and is empty where there is none. */
export function firstCodeLine(prediction: string): string {
  const lines = stripFeeds(prediction).split('\n')
  return lines.find((line) => !line.includes('`') && !line.includes('#') && !line.includes('//')) ?? ''
}
