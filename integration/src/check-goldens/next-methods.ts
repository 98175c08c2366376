import type { Budget, MethodRef, SpecInput } from '@qpkv/spec'

/*
 * The recorded cases of newer pruners as specs: each method with the options that its parameters stand for, under the
 * profile of the code that made it.
 */

export type Params = Readonly<Record<string, unknown>>
const num = (params: Params, name: string): number => params[name] as number

/** What a share that drops `ratio` keeps, as a budget. */
const budgetOf = (params: Params): Budget =>
  params['budget'] === undefined
    ? { fraction: Number((1 - num(params, 'compression_ratio')).toPrecision(15)) }
    : { tokens: num(params, 'budget') }

const windowOf = (params: Params) => ({
  window: num(params, 'window_size'),
  kernel: num(params, 'kernel_size'),
})
const expectedOf = (params: Params) => ({
  sinks: num(params, 'n_sink'),
  future: num(params, 'n_future_positions'),
  covariance: params['use_covariance'] === true,
})
const counted = { method: 'uniform', profile: 'kvpress' }

/** The score that a wrapper extends, as a pruner of its own. */
function baseOf(base: unknown, params: Params): MethodRef {
  if (base === 'snapkv') return { method: 'snapkv', ...windowOf(params), pool: 'mean' }
  return {
    method: 'expected-attention',
    profile: 'kvpress',
    ...expectedOf(params),
    weigh: params['use_vnorm'] === true ? 'value-norm' : 'none',
  }
}

/** The first stage counts N (1 - r) unrounded; ours counts what is kept. */
function firstStage(params: Params, tokens: number, kept: number): number {
  const ratio = num(params, 'first_stage_ratio')
  const wanted = Math.trunc((1 - num(params, 'compression_ratio')) * tokens * ratio)
  return Math.floor(ratio * kept + 1e-9) === wanted ? ratio : (wanted + 0.5) / kept
}

function critical(params: Params, first: number): MethodRef {
  const base = params['base_params'] as Params
  return {
    method: 'criticalkv',
    profile: 'kvpress',
    first,
    epsilon: num(params, 'epsilon'),
    ...(params['base'] === 'snapkv'
      ? { base: 'window', ...windowOf(base) }
      : { base: 'expected', ...expectedOf(base) }),
  }
}

/** The spec of a case of one layer; undefined for those that take several. `kept`: tokens per head on average. */
export function specOf(method: string, params: Params, tokens: number, kept: number): SpecInput | undefined {
  const budget = budgetOf(params)
  const spec = (prune: MethodRef, more: SpecInput = {}): SpecInput => ({
    budget,
    prune,
    allocate: counted,
    ...more,
  })
  switch (method) {
    case 'tova':
      return spec({ method: 'tova' })
    case 'expected_attention':
      return spec({ ...baseOf('expected_attention', params), epsilon: num(params, 'epsilon') })
    case 'knorm':
      return spec({ method: 'l2norm' })
    case 'keydiff':
      return spec({ method: 'keydiff', last: 0 })
    case 'snapkv_kvpress':
      return spec(baseOf('snapkv', params))
    case 'lagkv':
      return spec({
        method: 'lagkv',
        profile: 'kvpress',
        sinks: num(params, 'n_sink'),
        lag: num(params, 'lag_size'),
        compare: params['cross_scoring'] === true ? 'across' : 'within',
      })
    case 'adakv':
      return spec(baseOf(params['base'], params['base_params'] as Params), {
        share: { method: 'ada', profile: 'kvpress', floor: num(params, 'alpha_safeguard') },
      })
    case 'criticalkv':
      return spec(critical(params, firstStage(params, tokens, kept)))
    case 'criticaladakv':
      return spec(critical(params, num(params, 'first_stage_ratio')), {
        share: { method: 'critical-ada', guard: 'least', floor: num(params, 'alpha_safeguard') },
      })
    case 'chunkkv':
      return params['base'] === 'snapkv'
        ? spec(
            {
              method: 'chunkkv',
              profile: 'kvpress',
              chunk: num(params, 'chunk_length'),
              ...windowOf(params['base_params'] as Params),
            },
            {
              allocate:
                num(params, 'chunk_length') > tokens
                  ? counted
                  : { method: 'whole-chunks', chunk: num(params, 'chunk_length'), count: 'share' },
            },
          )
        : undefined
    case 'compactor':
      return spec({
        method: 'compactor',
        profile: 'kvpress',
        blend: (params['blending'] ?? params['compression_ratio']) as number,
        chunk: num(params, 'chunk_size'),
        // Their sketch is handed in with the keys.
        sketch: 0,
        sinks: num(params, 'sink_size_start'),
        last: num(params, 'sink_size_end'),
      })
    case 'rkv':
    case 'rkv_steps':
      return { budget, prune: redundancy(params) }
    default:
      return undefined
  }
}

/** Under the direction `first` the first column is always dropped: nothing counts as a near-duplicate. */
const redundancy = (params: Params): MethodRef => ({
  method: 'rkv',
  profile: 'original',
  window: num(params, 'window_size'),
  lambda: num(params, 'mix_lambda'),
  kernel: num(params, 'kernel_size'),
  threshold: params['retain_direction'] === 'first' ? 1 : num(params, 'threshold'),
})

/** The spec of KVzip's cases, whose heads compete over layers; layer by layer each layer is a pool of its own. */
export function replaySpecOf(method: string, params: Params): SpecInput {
  const layerwise = params['layerwise'] === true
  return {
    budget: budgetOf(params),
    prune: {
      method: 'kvzip',
      profile: 'kvpress',
      plus: method === 'kvzip_plus',
      sinks: num(params, 'n_sink'),
      unseen: num(params, 'prefix_length'),
    },
    allocate: { method: 'uniform', count: layerwise ? 'dropped-per-layer' : 'dropped' },
  }
}
