import { createRegistry, type AnyMethod, type ModelFacts, type Registry } from '@qpkv/spec'

/** Any runner's test function: vitest's, node:test's, … */
export type TestFunction = (name: string, body: () => void) => unknown

/** Shapes that every method must live with: MHA, GQA, MQA, odd head dimensions, one layer, sliding windows. */
export const models: { readonly [name: string]: ModelFacts } = {
  small: { layers: 4, queryHeads: 4, kvHeads: 2, headDim: 64 },
  'mha, head 128': { layers: 3, queryHeads: 4, kvHeads: 4, headDim: 128 },
  'mqa, head 40': { layers: 2, queryHeads: 8, kvHeads: 1, headDim: 40 },
  'one layer, head 256': { layers: 1, queryHeads: 2, kvHeads: 1, headDim: 256 },
  'sliding window': {
    layers: 4,
    queryHeads: 4,
    kvHeads: 2,
    headDim: 64,
    slidingWindow: [null, 96, null, 96],
  },
}

/** Seeded numbers in [0, 1). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296
  }
}

/** Seeded values with a bell shape. */
export function randomValues(length: number, seed: number, scale = 1): Float32Array {
  const next = randomNumbers(seed)
  return Float32Array.from({ length }, () => (next() + next() + next() + next() - 2) * 1.7 * scale)
}

/** The same method under another name: nothing may depend on names. */
export const renamed = <M extends AnyMethod>(method: M, name: string): M =>
  ({
    contract: method.contract,
    role: method.role,
    name,
    paper: method.paper,
    options: method.options,
    profiles: method.profiles,
    bind: (options: unknown, path: string) => method.bind(options, path),
  }) as unknown as M

/** A registry with every method under another name, and these names. */
export function renameAll(registry: Registry): { other: Registry; rename: ReadonlyMap<AnyMethod, string> } {
  const methods = Object.values(registry).flatMap((map) => [
    ...(map as ReadonlyMap<string, AnyMethod>).values(),
  ])
  const rename = new Map(methods.map((method, i) => [method, `method-${(i * 7919) % 1000}`]))
  return { other: createRegistry([...rename].map(([method, name]) => renamed(method, name))), rename }
}

/** Values that no option should crash on. */
export const hostileValues: readonly unknown[] = [
  null,
  true,
  '',
  'x',
  '__proto__',
  -1,
  0,
  1.5,
  1e9,
  -1e9,
  NaN,
  Infinity,
  2 ** 53,
  [],
  [1],
  {},
  { a: 1 },
  () => 1,
  10n,
  Symbol('s'),
]

/** Option sets that a method is tried with: none given, then every profile. */
export const optionSets = (method: AnyMethod): Record<string, string>[] => [
  {},
  ...Object.keys(method.profiles).map((profile) => ({ profile })),
]
