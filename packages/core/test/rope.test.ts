import { describe, expect, it } from 'vitest'
import { ConfigReader } from '../src/model/config-reader.ts'
import { ropeFrequencies } from '../src/model/rope.ts'
import { throwsKv } from './support/throws.ts'

const rope = (values: Record<string, unknown>, headDim = 8, context = 4096) =>
  ropeFrequencies(new ConfigReader(values, 'config.json'), headDim, context)
const close = (actual: Float32Array, wanted: readonly number[]) => {
  expect(actual).toHaveLength(wanted.length)
  for (const [i, value] of wanted.entries())
    expect(Math.abs((actual[i] ?? NaN) / value - 1)).toBeLessThan(1e-6)
}

describe('rotary frequencies', () => {
  it('fall geometrically from 1', () => {
    const { inverse, attentionFactor } = rope({ rope_theta: 10_000 })
    close(inverse, [1, 0.1, 0.01, 0.001])
    expect(attentionFactor).toBe(1)
    expect(rope({}).theta).toBe(10_000)
  })

  it('are read from rope_parameters too', () => {
    close(
      rope({ rope_parameters: { rope_type: 'default', rope_theta: 10_000 } }).inverse,
      [1, 0.1, 0.01, 0.001],
    )
  })

  it('shrink evenly with linear scaling', () => {
    close(rope({ rope_scaling: { type: 'linear', factor: 4 } }).inverse, [0.25, 0.025, 0.0025, 0.00025])
  })

  // By hand: wavelengths 6.28, 62.8, 628, 6283; short ones (< 100 / 2) stay, long ones (> 100 / 1) shrink by 8,
  // between: smooth = (100 / 62.83 - 1) / (2 - 1) = 0.5915, (1 - smooth) * 0.1 / 8 + smooth * 0.1 = 0.06426.
  it('shrink by wavelength with llama3 scaling', () => {
    const scaling = {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 2,
      original_max_position_embeddings: 100,
    }
    const smooth = 100 / (2 * Math.PI * 10) - 1
    close(rope({ rope_scaling: scaling }).inverse, [
      1,
      (1 - smooth) * 0.0125 + smooth * 0.1,
      0.00125,
      0.000125,
    ])
  })

  it('shrink by rotations with yarn, which sharpens attention', () => {
    const scaling = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 1000 }
    const { inverse, attentionFactor } = rope({ rope_scaling: scaling })
    // Pair that turns 32 times over 1000 tokens: 8 ln(1000 / (32 * 2 pi)) / (2 ln 10000) = 0.697 -> 0; once: 2.202 -> 3.
    close(inverse, [1, (2 / 3) * 0.1 + (1 / 3) * 0.025, (1 / 3) * 0.01 + (2 / 3) * 0.0025, 0.00025])
    expect(attentionFactor).toBeCloseTo(0.1 * Math.log(4) + 1, 12)
    expect(rope({ rope_scaling: { ...scaling, attention_factor: 1.5 } }).attentionFactor).toBe(1.5)
    expect(rope({ rope_scaling: { ...scaling, mscale: 1, mscale_all_dim: 1 } }).attentionFactor).toBe(1)
  })

  it('have a list of factors each for short and long texts with longrope', async () => {
    const scaling = { type: 'longrope', short_factor: [1, 1, 2, 2], long_factor: [2, 4, 8, 16] }
    const read = (changes: object = {}, top: object = {}) =>
      rope(
        { rope_scaling: { ...scaling, ...changes }, original_max_position_embeddings: 100, ...top },
        8,
        400,
      )
    const { inverse, long, attentionFactor, contextTokens } = read()
    close(inverse, [1, 0.1, 0.005, 0.0005])
    close(long?.inverse ?? new Float32Array(), [0.5, 0.025, 0.00125, 0.0000625])
    expect(long?.beyond).toBe(100)
    expect(contextTokens).toBe(400)
    expect(attentionFactor).toBeCloseTo(Math.sqrt(1 + Math.log(4) / Math.log(100)), 12)
    expect(read({ type: 'su' }).type).toBe('longrope')
    await throwsKv('KV_CONFIG', /4 numbers above 0[^]*long_factor/, () => read({ long_factor: [1, 2, 3] }))
    await throwsKv('KV_CONFIG', /4 numbers above 0[^]*short_factor/, () =>
      read({ short_factor: [1, 2, 3, 0] }),
    )
    await throwsKv('KV_CONFIG', /short_mscale/, () => read({ short_mscale: 1.2 }))
  })

  it('turn the first channels only where a part is asked for and the family knows it', async () => {
    const config = new ConfigReader({ partial_rotary_factor: 0.75 }, 'config.json')
    close(ropeFrequencies(config, 8, 512, { partial: true }).inverse, [
      1,
      10_000 ** (-2 / 6),
      10_000 ** (-4 / 6),
    ])
    await throwsKv('KV_UNSUPPORTED_MODEL', /partial_rotary_factor/, () => ropeFrequencies(config, 8, 512))
  })

  it.each(['dynamic', 'constructor', 7])('of unsupported types are refused: %s', async (type) => {
    await throwsKv('KV_UNSUPPORTED_MODEL', /rope_type[^]*default, linear, llama3, yarn/, () =>
      rope({ rope_scaling: { type, factor: 2 } }),
    )
  })

  it('need their parameters', async () => {
    await throwsKv('KV_CONFIG', /factor in rope_scaling of config.json/, () =>
      rope({ rope_scaling: { type: 'linear' } }),
    )
    await throwsKv('KV_CONFIG', /object or null for rope_scaling/, () => rope({ rope_scaling: 'linear' }))
    const scaling = {
      type: 'llama3',
      factor: 8,
      low_freq_factor: 4,
      high_freq_factor: 1,
      original_max_position_embeddings: 8192,
    }
    await throwsKv('KV_CONFIG', /above low_freq_factor/, () => rope({ rope_scaling: scaling }))
  })

  it('are one setting wherever the files put it', () => {
    const yarn = { factor: 4, original_max_position_embeddings: 1000 }
    const wanted = rope({ rope_theta: 5e5, rope_scaling: { type: 'yarn', ...yarn } })
    for (const values of [
      { rope_parameters: { rope_type: 'yarn', rope_theta: 5e5, ...yarn } },
      { rope_theta: 5e5, rope_parameters: { rope_type: 'yarn', ...yarn } },
      { rope_parameters: { rope_type: 'default', rope_theta: 5e5 }, rope_scaling: { type: 'yarn', ...yarn } },
      { rope_parameters: { rope_theta: 5e5 }, rope_scaling: { rope_type: 'yarn', type: 'yarn', ...yarn } },
      {
        rope_parameters: { rope_type: 'yarn', rope_theta: 5e5, ...yarn },
        rope_scaling: { type: 'yarn', ...yarn },
      },
      { rope_parameters: { full_attention: { rope_type: 'yarn', rope_theta: 5e5, ...yarn } } },
      { rope_theta: 5e5, original_max_position_embeddings: 1000, rope_scaling: { type: 'yarn', factor: 4 } },
      { rope_theta: 5e5, rope_scaling: { type: 'yarn', beta_fast: null, finetuned: true, ...yarn } },
    ])
      expect(rope(values)).toEqual(wanted)
  })

  it.each([
    [
      { rope_parameters: { rope_type: 'yarn', factor: 4 }, rope_scaling: { type: 'yarn', factor: 8 } },
      /contradict.*factor is 4.*8/,
    ],
    [
      { rope_parameters: { rope_type: 'yarn', factor: 4 }, rope_scaling: { type: 'linear', factor: 4 } },
      /rope_type is "yarn".*"linear"/,
    ],
    [
      { rope_scaling: { rope_type: 'default', type: 'linear', factor: 4 } },
      /contradict.*"default".*"linear"/,
    ],
    [{ rope_scaling: { factor: 4 } }, /field factor that rope_type default does not have/],
    [{ rope_scaling: { type: 'linear', facter: 4 } }, /facter.*did you mean factor/],
    [{ rope_scaling: { type: 'linear', factor: 4, beta_fast: 3 } }, /beta_fast that rope_type linear/],
    [
      {
        original_max_position_embeddings: 9,
        rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 8 },
      },
      /is 9, and 8 in its rope_scaling/,
    ],
  ])('are refused where fields contradict or are unknown: %j', async (values, message) => {
    await throwsKv('KV_CONFIG', message, () => rope(values))
  })

  it.each([
    [
      { rope_parameters: { full_attention: { rope_theta: 1e6 }, sliding_attention: { rope_theta: 1e4 } } },
      /rope_parameters/,
    ],
    [{ rope_parameters: { rope_theta: 1e6, full_attention: { rope_theta: 1e6 } } }, /rope_parameters/],
    [{ rope_parameters: { rope_theta: 1e6, partial_rotary_factor: 0.5 } }, /partial_rotary_factor = 0.5/],
    [{ rope_local_base_freq: 10_000 }, /rope_local_base_freq/],
    [{ rotary_pct: 0.25 }, /rotary_pct/],
  ])('are refused where they are not computed: %j', async (values, message) => {
    await throwsKv('KV_UNSUPPORTED_MODEL', message, () => rope(values))
  })

  it.each([
    [{ rope_scaling: { type: 'linear', factor: 4 } }, 16_384],
    [{ max_sequence_length: 12_000, rope_scaling: { type: 'linear', factor: 4 } }, 12_000],
    [{ rope_scaling: { type: 'yarn', factor: 4 } }, 16_384],
    [{ rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 1024 } }, 4096],
    [{ rope_scaling: { type: 'yarn', factor: 2.5, original_max_position_embeddings: 2048 } }, 5120],
    [{ rope_scaling: { type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 } }, 4096],
    [{ rope_parameters: { rope_type: 'default', rope_theta: 1e6 } }, 4096],
  ])('say how far the scaling reaches: %j', (values, tokens) => {
    expect(rope(values).contextTokens).toBe(tokens)
  })
})
