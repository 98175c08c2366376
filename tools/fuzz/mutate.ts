import type { FuzzRandom } from './random.ts'

const MAX_BYTES = 1 << 16

/** Values that parsers tend to get wrong. */
const oddValues: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  -1,
  1,
  0.5,
  2,
  1e308,
  -1e308,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 53 + 2,
  1e-320,
  '',
  ' ',
  '\0',
  '\ud800',
  'a'.repeat(300),
  '__proto__',
  'constructor',
  '../../x',
  '💥',
  '{{',
  '1',
  'NaN',
  'Infinity',
  [],
  [[]],
  {},
  { a: 1 },
  [null],
  [-1],
  [1e308],
  { __proto__: null },
]
const oddKeys = ['__proto__', 'constructor', 'toString', '', 'length', 'type', 'hasOwnProperty', '0', '💥']
const oddText = [
  '\0',
  '\ufeff',
  '"',
  "'",
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '-',
  '+',
  '@',
  '#',
  '%',
  '=',
  '1e999',
  '\n',
  '\u2028',
  '99999999999999999999',
]

/** A new input from a seed input: changes in the JSON tree where it is JSON, and changes of bytes. */
export function mutate(random: FuzzRandom, seeds: readonly Uint8Array[]): Uint8Array {
  let bytes: Uint8Array = random.pick(seeds)
  const rounds = 1 + random.below(4)
  for (let i = 0; i < rounds; i++)
    bytes = random.below(3) > 0 ? mutateJson(random, bytes) : mutateBytes(random, bytes, random.pick(seeds))
  return bytes.subarray(0, MAX_BYTES)
}

/** Changes one node of a JSON document, or of one line or the header part that is JSON; bytes where there is none. */
function mutateJson(random: FuzzRandom, bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1')
  const lines = text.split('\n')
  const at = random.below(lines.length)
  for (const [start, end] of [
    [0, text.length],
    lineRange(lines, at),
    [8, text.lastIndexOf('}') + 1],
  ] as const) {
    if (end - start < 2) continue
    let tree: unknown
    try {
      tree = JSON.parse(Buffer.from(text.slice(start, end), 'latin1').toString('utf8'))
    } catch {
      continue
    }
    const changed = Buffer.from(JSON.stringify(changeNode(random, tree)) ?? 'null').toString('latin1')
    const head = start === 8 ? lengthPrefix(changed.length) : text.slice(0, start)
    return Buffer.from(head + changed + text.slice(end), 'latin1')
  }
  return mutateBytes(random, bytes, bytes)
}

function lineRange(lines: readonly string[], at: number): readonly [number, number] {
  const start = lines.slice(0, at).reduce((sum, line) => sum + line.length + 1, 0)
  return [start, start + (lines[at]?.length ?? 0)]
}

function lengthPrefix(length: number): string {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(length)
  return bytes.toString('latin1')
}

function changeNode(random: FuzzRandom, tree: unknown): unknown {
  const places: { owner: Record<string, unknown>; key: string }[] = []
  const collect = (value: unknown) => {
    if (typeof value !== 'object' || value === null || places.length > 3000) return
    for (const key of Object.keys(value)) {
      places.push({ owner: value as Record<string, unknown>, key })
      collect((value as Record<string, unknown>)[key])
    }
  }
  collect(tree)
  if (places.length === 0 || random.below(40) === 0) return random.pick(oddValues)
  const { owner, key } = random.pick(places)
  const other = random.pick(places)
  const set = (name: string, value: unknown) => {
    if (Array.isArray(owner) && !/^\d+$/.test(name)) return // no JSON has other members
    Object.defineProperty(owner, name, { value, enumerable: true, writable: true, configurable: true })
  }
  switch (random.below(7)) {
    case 0:
      if (Array.isArray(owner)) owner.splice(Number(key), 1)
      else Reflect.deleteProperty(owner, key)
      break
    case 1:
      set(key, structuredClone(other.owner[other.key]))
      break
    case 2:
      set(random.pick(oddKeys), owner[key])
      break
    case 3:
      set(key, nest(random, owner[key]))
      break
    case 4:
      if (typeof owner[key] === 'number') set(key, owner[key] * random.pick([-1, 2, 0.5, 1000, 1e300]))
      else if (typeof owner[key] === 'string') set(key, changeText(random, owner[key]))
      else set(key, random.pick(oddValues))
      break
    default:
      set(key, random.pick(oddValues))
  }
  return tree
}

function nest(random: FuzzRandom, value: unknown): unknown {
  let nested = value
  const depth = random.pick([1, 2, 50, 500])
  for (let i = 0; i < depth; i++) nested = random.below(2) === 0 ? [nested] : { a: nested }
  return nested
}

function changeText(random: FuzzRandom, text: string): string {
  const at = random.below(text.length + 1)
  return text.slice(0, at) + random.pick(oddText) + text.slice(at + random.below(3))
}

function mutateBytes(random: FuzzRandom, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  const at = random.below(bytes.length + 1)
  const length = random.below(Math.min(64, bytes.length - at) + 1)
  const head = bytes.subarray(0, at)
  switch (random.below(6)) {
    case 0: {
      const copy = Uint8Array.from(bytes)
      if (at < copy.length) copy[at] = random.below(256)
      return copy
    }
    case 1:
      return Buffer.concat([head, bytes.subarray(at + length)])
    case 2:
      return Buffer.concat([head, Buffer.from(random.pick(oddText)), bytes.subarray(at)])
    case 3:
      return Buffer.concat([head, bytes.subarray(at, at + length), bytes.subarray(at)])
    case 4: {
      const from = random.below(other.length + 1)
      return Buffer.concat([head, other.subarray(from, from + 64), bytes.subarray(at)])
    }
    default:
      return head
  }
}
