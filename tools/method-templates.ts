import { roles, type Role } from '../packages/spec/src/index.ts'

/** What `pnpm new` writes for a method of one role. */
export interface MethodTemplate {
  /** Folder and prefix of its package: allocators and sharings are packages beside the pruners. */
  readonly group: 'pruner' | 'quantizer'
  /** Behind the method's name in the package's description. */
  readonly about: string
  readonly source: (name: string, symbol: string) => string
  /** Rows of the README's table of options; a test holds them to the source. */
  readonly options: string
  /** Conformance suite that it passes. */
  readonly suite: string
  /** Further imports of the README's example, and its compression. */
  readonly use: (symbol: string) => { readonly imports: string; readonly compression: string }
}

const guide = (role: Role) => `docs/write-a-${role === 'quantizer' ? 'quantizer' : 'pruner'}.md`
const beside = (slot: string) => (symbol: string) => ({
  imports: "import { snapkv } from '@qpkv/pruner-snapkv'\n",
  compression: `budget: { tokens: 256 }, prune: snapkv(), ${slot}: ${symbol}()`,
})
const recentRow = (name: string, doc: string) =>
  `| \`${name}\` | \`32\` | a whole number from 0 to 65536 | ${doc} |`

export const methodTemplates: { readonly [R in Role]: MethodTemplate } = {
  pruner: {
    group: 'pruner',
    about: 'token selection for the KV cache',
    suite: 'testPruner',
    options: recentRow('last', 'Newest tokens of the user turn that are always kept.'),
    use: (symbol) => ({ imports: '', compression: `budget: { tokens: 256 }, prune: ${symbol}()` }),
    source: (name, symbol) => `import { closingTokens, definePruner, integer } from '@qpkv/spec'

/**
 * ${name}: say here in one sentence which tokens it keeps.
 * Keeps the keys of smallest norm and the last tokens, until you write your own rule: see ${guide('pruner')}.
 */
export const ${symbol} = definePruner({
  name: '${name}',
  paper: 'https://arxiv.org/abs/2406.11430',
  options: {
    last: integer({ default: 32, min: 0, max: 65536, doc: 'Newest tokens of the user turn that are always kept.' }),
  },
  layer: ({ last }, { prompt }) => ({
    score: { op: 'scale', factor: -1, of: [{ stat: 'key-norm' }] },
    protect: { last: last + closingTokens(prompt) },
  }),
})
`,
  },
  allocator: {
    group: 'pruner',
    about: 'shares of layers of the KV cache',
    suite: 'testAllocator',
    options:
      '| `tilt` | `0.25` | a number from 0 to 1 | Part of its share that the last layer gives to the first. |',
    use: beside('allocate'),
    source: (name, symbol) => `import { defineAllocator, number } from '@qpkv/spec'

/**
 * ${name}: say here in one sentence how layers share the budget.
 * Tilts equal shares towards the lower layers, until you write your own rule: see ${guide('allocator')}.
 */
export const ${symbol} = defineAllocator({
  name: '${name}',
  paper: 'https://arxiv.org/abs/2406.02069',
  options: {
    tilt: number({ default: 0.25, min: 0, max: 1, doc: 'Part of its share that the last layer gives to the first.' }),
  },
  allocate: ({ tilt }, { layers }) => {
    const free = layers.filter((layer) => !layer.fixed)
    // What is taken from the upper half is at most what the lower half gets: whole tokens, layer by layer.
    return layers.map((layer) => {
      const at = free.indexOf(layer)
      const mirrored = free[free.length - 1 - at]
      if (at < 0 || mirrored === undefined || mirrored.cost !== layer.cost) return layer.capacity
      const place = free.length < 2 ? 0 : 1 - (2 * at) / (free.length - 1)
      const moved = Math.floor(Math.min(layer.capacity, mirrored.capacity) * tilt * Math.abs(place))
      return layer.capacity + Math.sign(place) * moved
    })
  },
})
`,
  },
  sharing: {
    group: 'pruner',
    about: 'slots of the heads of the KV cache',
    suite: 'testSharing',
    options: '| `floor` | `0.5` | a number from 0 to 1 | Part of its equal share that every head keeps. |',
    use: beside('share'),
    source: (name, symbol) => `import { defineSharing, number } from '@qpkv/spec'

/**
 * ${name}: say here in one sentence how the heads of a layer share its slots.
 * They compete by their scores, until you write your own rule: see ${guide('sharing')}.
 */
export const ${symbol} = defineSharing({
  name: '${name}',
  paper: 'https://arxiv.org/abs/2407.11550',
  options: {
    floor: number({ default: 0.5, min: 0, max: 1, doc: 'Part of its equal share that every head keeps.' }),
  },
  share: ({ floor }) => ({ pool: 'layer', floor }),
})
`,
  },
  quantizer: {
    group: 'quantizer',
    about: 'storage of the KV cache',
    suite: 'testQuantizer',
    options: `| \`bits\` | \`4\` | one of 8, 4, 3, 2, 1 | Width of a code. |
${recentRow('recent', 'Newest kept tokens that stay in 16 bit.')}`,
    use: (symbol) => ({ imports: '', compression: `quantize: ${symbol}({ bits: 4 })` }),
    source: (name, symbol) => `import { defineQuantizer, integer, oneOf, packedFormat } from '@qpkv/spec'

/**
 * ${name}: say here in one sentence how keys and values are stored.
 * Stores both per token until you write your own rule: see ${guide('quantizer')}.
 */
export const ${symbol} = defineQuantizer({
  name: '${name}',
  paper: 'https://arxiv.org/abs/1712.05877',
  options: {
    bits: oneOf([8, 4, 3, 2, 1], { default: 4, doc: 'Width of a code.' }),
    recent: integer({ default: 32, min: 0, max: 65536, doc: 'Newest kept tokens that stay in 16 bit.' }),
  },
  format: ({ bits, recent }, { model }) => {
    const format = packedFormat({ bits, scalePer: 'token', group: Math.min(32, model.headDim) })
    return { key: format, value: format, recent }
  },
})
`,
  },
}

export const isRole = (role: string | undefined): role is Role =>
  role !== undefined && Object.hasOwn(roles, role)
