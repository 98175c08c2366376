import {
  defineQuantizer,
  exactFormat,
  integer,
  kiviStorage,
  kiviStorageOptions,
  KvError,
  number,
  oneOf,
  optional,
  solverOf,
} from '@qpkv/spec'
import { hqqPlanBytes, roundTripHqq, type HqqStorage } from './hqq-storage.ts'

interface HqqOptions {
  readonly bits: 8 | 4 | 3 | 2 | 1
  readonly group: number
  readonly keyAxis: 0 | 1
  readonly valueAxis: 0 | 1
  readonly solver: 'min-max' | 'hqq-0.2.2' | 'hqq-0.2.8'
  readonly threshold: number | undefined
}

/** The released code's storage of one tensor. */
const hqqStorage = (options: HqqOptions, tensor: 'key' | 'value'): HqqStorage => ({
  bits: options.bits,
  axis: tensor === 'key' ? options.keyAxis : options.valueAxis,
  group: options.group,
  version: options.solver === 'hqq-0.2.8' ? '0.2.8' : '0.2.2',
  optimize: options.solver !== 'min-max',
  ...(options.threshold !== undefined && { threshold: options.threshold }),
  compute: 'f16',
})

/** Newest kept tokens that stay in 16 bit where nothing is said. */
const RECENT = 32

/** Options that go with the other storage are not passed over in silence. */
function refuseIgnored({
  storage,
  threshold,
  recent = 0,
  residual,
  keyAxis,
  valueAxis,
}: {
  readonly storage: 'packed' | 'hqq'
  readonly threshold: number | undefined
  readonly recent: number | undefined
  readonly residual: string
  readonly keyAxis: 0 | 1
  readonly valueAxis: 0 | 1
}): void {
  const refuse = (what: string, other: string, hint: string) =>
    new KvError('KV_CONFLICT', `quantize.${what}, which goes with storage=${other} only.`, { hint })
  if (storage === 'hqq') {
    const hint = 'The released code codes every kept token of the prompt at once; leave it out.'
    if (recent > 0) throw refuse(`recent is ${recent}`, 'packed', hint)
    if (residual !== 'unified') throw refuse(`residual is ${residual}`, 'packed', hint)
    return
  }
  if (threshold !== undefined)
    throw refuse(
      `threshold is ${threshold}`,
      'hqq',
      'Add storage=hqq or profile=qpruningkv, or use the quantizer kvquant, whose tiles keep outliers exactly.',
    )
  if (keyAxis !== 1 || valueAxis !== 0)
    throw refuse(
      `keyAxis is ${keyAxis} and valueAxis ${valueAxis}`,
      'hqq',
      'Add storage=hqq; packed keys are grouped by channel over tokens, values by token over channels.',
    )
}

/**
 * KIVI: keys in groups of tokens per channel, values in groups of channels per token, the newest tokens in 16 bit.
 * Liu et al., "KIVI: A Tuning-Free Asymmetric 2bit Quantization for KV Cache", https://arxiv.org/abs/2402.02750
 */
export const kivi = defineQuantizer({
  name: 'kivi',
  paper: 'https://arxiv.org/abs/2402.02750',
  options: {
    bits: oneOf([8, 4, 3, 2, 1], { default: 4, doc: 'Width of a code.' }),
    ...kiviStorageOptions,
    recent: optional(
      integer({
        default: RECENT,
        min: 0,
        max: 65536,
        doc: 'Newest kept tokens that stay in 16 bit; left out: 32, or none with storage=hqq.',
      }),
    ),
    storage: oneOf(['packed', 'hqq'], {
      default: 'packed',
      doc: 'hqq: the storage that the released code of arXiv 2412.12706 really ran; simulated.',
    }),
    keyAxis: oneOf([0, 1], {
      default: 1,
      doc: 'With storage=hqq: 1 groups channels of a token, 0 values a stride apart.',
    }),
    valueAxis: oneOf([0, 1], { default: 0, doc: 'With storage=hqq, as keyAxis.' }),
    threshold: optional(
      number({
        default: 6,
        min: 0,
        doc: 'With storage=hqq: values beyond this size are kept exactly apart, as its kvquant does with 6.',
      }),
    ),
  },
  profiles: {
    original: { bits: 2, group: 32, recent: 128, residual: 'kivi' },
    qpruningkv: { storage: 'hqq', group: 64, recent: 0, keyAxis: 1, valueAxis: 0 },
    'kvcache-factory': {
      storage: 'hqq',
      group: 64,
      recent: 0,
      keyAxis: 1,
      valueAxis: 0,
      solver: 'hqq-0.2.8',
    },
  },
  format(options, at) {
    const { bits, storage, solver, recent } = options
    refuseIgnored(options)
    if (storage === 'hqq')
      return { key: exactFormat(), value: exactFormat(), simulated: { keyBits: bits, valueBits: bits } }
    return kiviStorage({ ...options, recent: recent ?? RECENT, solver: solverOf(solver) }, at)
  },
  simulation: {
    used: ({ storage }) => storage === 'hqq',
    roundTrip: (options, block) => roundTripHqq(block, hqqStorage(options, block.tensor)),
    bytes: (options, shape) => hqqPlanBytes(shape, hqqStorage(options, shape.tensor)),
  },
})
