import { readdirSync } from 'node:fs'
import { parseSpec, printSpec } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { methods, registry } from '../src/index.ts'

test.each(['pruners', 'quantizers'] as const)('the registry holds every folder of %s and none', (group) => {
  const folders = readdirSync(new URL(`../../${group}`, import.meta.url))
  expect([...registry[group].keys()].sort()).toEqual([...folders, 'none'].sort())
})

test('every method names its paper', () => {
  for (const method of methods) expect(method.paper).toMatch(/^https:\/\/arxiv\.org\/abs\/\d{4}\.\d{5}$/)
})

test('every option can be written in text', () => {
  for (const method of methods) {
    const options = Object.entries(method.options)
      .filter(([, option]) => option.default !== undefined)
      .map(([name, option]) => [name, option.default] as const)
    const ref = { method: method.name, ...Object.fromEntries(options) }
    const spec = parseSpec(method.role === 'pruner' ? `${method.name}+none` : `none+${method.name}`)
    const full = { ...spec, [method.role === 'pruner' ? 'prune' : 'quantize']: ref }
    expect(parseSpec(printSpec(full))).toEqual(full)
  }
})
