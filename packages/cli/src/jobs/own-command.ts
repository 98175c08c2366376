import { realpathSync } from 'node:fs'

/** What starts this command line again elsewhere: node, its flags and the script. */
export const ownCommand = (): readonly string[] => [
  process.execPath,
  ...process.execArgv,
  realpathSync(process.argv[1] ?? ''),
]

/** For sh. */
export const quoted = (words: readonly string[]): string =>
  words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ')
