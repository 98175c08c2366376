import { readFileSync } from 'node:fs'
import { methods } from '@qpkv/methods'
import { expect, test } from 'vitest'

const bibliography = readFileSync(new URL('../../docs/bibliography.bib', import.meta.url), 'utf8')

test.each(
  methods
    .filter(({ name }) => name !== 'random') // the baseline has no paper
    .map(({ role, name, paper }) => [role, name, paper] as const),
)('the paper of the %s %s has an entry', (_, __, paper) => {
  const id = /arxiv\.org\/abs\/(\d{4}\.\d{5})/.exec(paper)?.[1]
  expect(bibliography).toContain(id === undefined ? `url           = {${paper}}` : `eprint        = {${id}}`)
})

test('the citation file names the paper', () => {
  const citation = readFileSync(new URL('../../CITATION.cff', import.meta.url), 'utf8')
  expect(citation).toMatch(/arXiv:2412\.12706/)
  expect(citation.match(/family-names/g)).toHaveLength(9)
})
