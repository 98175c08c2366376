/** One symbol of a template. */
export interface Token {
  readonly type:
    'data' | 'begin' | 'end' | 'output' | 'name' | 'text' | 'integer' | 'float' | 'operator' | 'eof'
  /** Text of data and texts without quotes; digits of numbers; the symbol itself. */
  readonly value: string
}

/** A template that cannot be read. */
export class TemplateSyntaxError extends Error {}

const OPERATORS = [
  '//',
  '**',
  '==',
  '!=',
  '>=',
  '<=',
  '+',
  '-',
  '*',
  '/',
  '%',
  '~',
  '[',
  ']',
  '(',
  ')',
  '{',
  '}',
  '>',
  '<',
  '=',
  '.',
  ':',
  '|',
  ',',
  ';',
] as const
const closing: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

const SPACE = /\s+/y
const NAME = /[\p{L}_][\p{L}\p{M}\p{N}_]*/uy
const FLOAT = /(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?[eE][+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/y
const INTEGER = /0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\da-fA-F])+|\d+(?:_\d+)*/y
const TEXT = /'((?:[^'\\]|\\[^])*)'|"((?:[^"\\]|\\[^])*)"/y

/**
 * Cuts a template into tokens as Jinja2 does with trim_blocks and lstrip_blocks, the settings of chat templates: the line break
 * after a block is dropped, and so are spaces before it at the beginning of a line.
 */
export function tokenize(template: string): Token[] {
  const source = template.replace(/\r\n?/g, '\n').replace(/\n$/, '')
  const tokens: Token[] = []
  let at = 0
  /** Whether the text begins at the beginning of a line. */
  let lineStart = true

  const data = (text: string, sign: string, block: boolean) => {
    let kept = text
    if (sign === '-') kept = text.trimEnd()
    else if (sign !== '+' && block) {
      const line = text.lastIndexOf('\n') + 1
      if ((line > 0 || lineStart) && /^\s*$/.test(text.slice(line))) kept = text.slice(0, line)
    }
    if (kept !== '') tokens.push({ type: 'data', value: kept })
  }
  /** Moves on past what ends a tag. */
  const passEnd = (pattern: RegExp): boolean => {
    pattern.lastIndex = at
    const found = pattern.exec(source)?.[0]
    if (found === undefined) return false
    at += found.length
    lineStart = found.endsWith('\n')
    return true
  }

  while (at < source.length) {
    const open = source.slice(at).search(/\{[{%#]/)
    const from = at
    if (open < 0) {
      data(source.slice(from), '+', false)
      break
    }
    at += open
    const kind = source[at + 1] ?? ''
    const sign = /[-+]/.exec(source[at + 2] ?? '')?.[0] ?? ''
    data(source.slice(from, at), sign, kind !== '{')
    const raw = /\{%[-+]?\s*raw\s*(?:-%\}\s*|%\})/y
    raw.lastIndex = at
    const rawBegin = kind === '%' ? raw.exec(source)?.[0] : undefined
    if (rawBegin !== undefined) {
      at += rawBegin.length
      lineStart = rawBegin.endsWith('\n')
      const end = /\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)/.exec(source.slice(at))
      if (!end) throw new TemplateSyntaxError('raw block without endraw')
      data(source.slice(at, at + end.index), end[1] ?? '', true)
      at += end.index + end[0].length
      lineStart = end[0].endsWith('\n')
      continue
    }
    at += 2 + sign.length
    if (kind === '#') {
      const end = source.indexOf('#}', at)
      if (end < 0) throw new TemplateSyntaxError('comment without end')
      at = /[-+]/.test(source[end - 1] ?? '') && end > at ? end - 1 : end
      passEnd(/\+#\}|-#\}\s*|#\}\n?/y)
      continue
    }
    tokens.push({ type: kind === '{' ? 'output' : 'begin', value: `{${kind}` })
    const end = kind === '{' ? /-\}\}\s*|\}\}/y : /\+%\}|-%\}\s*|%\}\n?/y
    const brackets: string[] = []
    for (;;) {
      if (at >= source.length) throw new TemplateSyntaxError('unexpected end of template')
      if (brackets.length === 0 && passEnd(end)) break
      at = symbol(source, at, tokens, brackets)
    }
    tokens.push({ type: 'end', value: `${kind === '{' ? '}' : kind}}` })
  }
  tokens.push({ type: 'eof', value: 'end of template' })
  return tokens
}

/** Reads one symbol of an expression; returns where it ends. */
function symbol(source: string, at: number, tokens: Token[], brackets: string[]): number {
  const match = (pattern: RegExp) => {
    pattern.lastIndex = at
    return pattern.exec(source)
  }
  const space = match(SPACE)
  if (space) return at + space[0].length
  for (const [type, pattern] of [
    ['float', FLOAT],
    ['integer', INTEGER],
    ['name', NAME],
  ] as const) {
    const found = match(pattern)
    // The digits of `a.0.1` are two indices, and no number with a point.
    if (!found || (type === 'float' && source[at - 1] === '.')) continue
    tokens.push({ type, value: type === 'name' ? found[0] : found[0].replaceAll('_', '') })
    return at + found[0].length
  }
  const text = match(TEXT)
  if (text) {
    tokens.push({ type: 'text', value: unescape(text[1] ?? text[2] ?? '') })
    return at + text[0].length
  }
  const operator = OPERATORS.find((candidate) => source.startsWith(candidate, at))
  if (operator === undefined)
    throw new TemplateSyntaxError(`unexpected character ${JSON.stringify(source[at])}`)
  if (operator in closing) brackets.push(closing[operator] ?? '')
  else if (/[)\]}]/.test(operator) && brackets.pop() !== operator)
    throw new TemplateSyntaxError(`unexpected ${JSON.stringify(operator)}`)
  tokens.push({ type: 'operator', value: operator })
  return at + operator.length
}

const simple: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\x07',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
}

/** Escapes of Python's texts; unknown ones stay as they are. */
const unescape = (text: string) =>
  text.replace(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|([^]))/g,
    (all, x?: string, u?: string, long?: string, octal?: string, one?: string) => {
      const code = x ?? u ?? long
      if (code !== undefined) return String.fromCodePoint(Number.parseInt(code, 16))
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8))
      return simple[one ?? ''] ?? all
    },
  )
