import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Template, TemplateError, TemplateSyntaxError } from '../../src/jinja/template.ts'

/** Variables, then templates with what jinja2 makes of them (make-expected.py). */
const [variables, ...cases] = readFileSync(join(import.meta.dirname, 'expected.jsonl'), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as unknown) as [Record<string, unknown>, ...[string, string | null][]]

/** What jinja2 does and we refuse. */
const refused = ['{{ d|urlencode }}', "{% autoescape true %}{{ '<' }}{% endautoescape %}"]

const render = (source: string, more: object = {}) =>
  new Template(source).render({ ...variables, ...more }, 5000)
const isRefusal = (cause: unknown) => cause instanceof TemplateError || cause instanceof TemplateSyntaxError

describe('a template', () => {
  it.each(cases)('renders as in jinja2: %j', (source, wanted) => {
    if (wanted !== null && !refused.includes(source)) expect(render(source)).toBe(wanted)
    else expect(() => render(source)).toThrow(expect.toSatisfy(isRefusal) as Error)
  })

  it.each([
    ['{{ a.b }}', "'a' is undefined"],
    ['{{ messages[0].content.nope() }}', "'NoneType' object is not callable|not callable|is undefined"],
    ["{{ 'a' + 1 }}", 'unsupported operand type'],
    ["{{ 'a' | nope }}", "No filter named 'nope'"],
    ['{{ 1 is nope }}', "No test named 'nope'"],
    ["{{ raise_exception('roles must alternate') }}", 'roles must alternate'],
    ['{% for x in messages %}', 'expected endfor or else before the end'],
    ['{{ (1 }}', 'unexpected'],
    ['{% include "x" %}', 'include is unknown or not supported'],
    ['{{ messages.append(1) }}', 'may not do'],
  ])('that fails says why: %s', (source, message) => {
    expect(() => render(source)).toThrow(new RegExp(message))
  })

  it('reaches nothing but its variables', () => {
    for (const source of [
      '{{ process }}',
      '{{ require }}',
      '{{ messages.constructor }}',
      '{{ s.__proto__ }}',
      '{{ d.toString }}',
    ])
      expect(render(source)).toBe('')
    expect(render('{{ d.__proto__ }}', { d: JSON.parse('{"__proto__": 1}') as object })).toBe('1')
  })
})

describe('strftime_now', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('writes the time as C does', () => {
    vi.useFakeTimers({ now: new Date(2026, 1, 3, 14, 5, 9) })
    const at = (format: string) => render(`{{ strftime_now('${format}') }}`)
    expect(at('%d %b %Y')).toBe('03 Feb 2026')
    expect(at('%A, %B %-d, %Y')).toBe('Tuesday, February 3, 2026')
    expect(at('%Y-%m-%d %H:%M:%S|%I:%M %p|%j|%y|%e|%a|%%')).toBe(
      '2026-02-03 14:05:09|02:05 PM|034|26| 3|Tue|%',
    )
    expect(at('%F %T')).toBe('2026-02-03 14:05:09')
  })
})
