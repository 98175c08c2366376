import { expect } from 'vitest'

/** Every tag is closed in the right order and no bare ampersand is left. */
export function wellFormed(markup: string): void {
  const open: string[] = []
  for (const [, closing, name = '', empty] of markup.matchAll(
    /<(\/?)([A-Za-z][\w-]*)(?:\s[^<>]*?)?(\/?)>/g,
  )) {
    if (closing) expect(open.pop()).toBe(name)
    else if (!empty) open.push(name)
  }
  expect(open).toEqual([])
  expect(markup).not.toMatch(/&(?!amp;|lt;|gt;|quot;)/)
}
