import { parseSpec, printSpec } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { methods, registry } from '../src/index.ts'

test('the registry holds every first-party method and none', () => {
  expect([...registry.pruners.keys()].sort()).toEqual([
    'h2o',
    'keydiff',
    'layerquant',
    'none',
    'pyramidkv',
    'snapkv',
    'streamingllm',
  ])
  expect([...registry.quantizers.keys()].sort()).toEqual(['int8', 'kivi', 'kvquant', 'layerquant', 'none'])
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
