import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { methods } from '../src/index.ts'

test.each(methods.map((method) => [method.role, method.name, method] as const))(
  'the README of the %s %s lists every option with its default, and every profile with what it sets',
  (role, name, method) => {
    const group = new URL(role === 'quantizer' ? '../../quantizers/' : '../../pruners/', import.meta.url)
    const folder = readdirSync(group).find((entry) => existsSync(new URL(`${entry}/src/${name}.ts`, group)))
    const rows = readFileSync(new URL(`${folder}/README.md`, group), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) => line.split('|').map((cell) => cell.trim()))
    const row = (first: string) => rows.find((cells) => cells[1] === `\`${first}\``)
    const code = (value: unknown) => JSON.stringify(value).replaceAll('"', "'")
    for (const [option, { default: value, accepts, doc }] of Object.entries(method.options))
      expect(row(option)?.slice(2, 5)).toEqual([
        value === undefined ? '–' : `\`${code(value)}\``,
        accepts,
        doc,
      ])
    for (const [profile, values] of Object.entries(method.profiles))
      expect(row(profile)?.[2]).toBe(
        Object.entries(values)
          .map(([option, value]) => `\`${option}: ${code(value)}\``)
          .join(', '),
      )
  },
)
