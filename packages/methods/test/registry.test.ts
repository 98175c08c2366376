import { readdirSync } from 'node:fs'
import { checkSpec, parseSpec, printSpec, roleNames, roles, type AnyMethod } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { methods, registry } from '../src/index.ts'

test('the registry holds what every folder of methods exports, and none of each role', async () => {
  const names: string[] = roleNames.map((role) => `${role} none`)
  for (const group of ['pruners', 'quantizers'])
    for (const folder of readdirSync(new URL(`../../${group}`, import.meta.url))) {
      const source = new URL(`../../${group}/${folder}/src/index.ts`, import.meta.url)
      const exported = new Set(Object.values((await import(source.href)) as object) as Partial<AnyMethod>[])
      const own = [...exported].filter(({ role }) => role !== undefined)
      expect(own.length).toBeGreaterThan(0)
      names.push(...own.map(({ role, name }) => `${role} ${name}`))
    }
  const registered = roleNames.flatMap((role) =>
    [...registry[roles[role].plural].keys()].map((name) => `${role} ${name}`),
  )
  expect(registered.sort()).toEqual(names.sort())
})

test('every method names its paper', () => {
  for (const method of methods)
    if (method.name !== 'random')
      // the baseline has none
      expect(method.paper).toMatch(
        /^https:\/\/(arxiv\.org\/abs\/\d{4}\.\d{5}|openreview\.net\/forum\?id=\w{10})$/,
      )
})

test('every option can be written in text', () => {
  for (const method of methods) {
    const options = Object.entries(method.options)
      .filter(([, option]) => option.default !== undefined)
      .map(([name, option]) => [name, option.default] as const)
    const ref = { method: method.name, ...Object.fromEntries(options) }
    const full = checkSpec({ [roles[method.role].slot]: ref })
    expect(parseSpec(printSpec(full))).toEqual(full)
  }
})
